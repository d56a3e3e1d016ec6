#include "mutirao/models/internal/class_grower.hpp"

#include <algorithm>

#include "mutirao/core/error.hpp"

namespace mutirao::models::internal {

bool ClassGrower::possible(const Growth& growth) noexcept {
  return growth.limits.max_leaf_nodes == 0 && ClassTargets::whole(growth);
}

ClassGrower::ClassGrower(const Growth& growth, Tile<NarrowEntry>& tile, ClassRoom& room,
                         std::vector<GrownNode>& nodes, ClassTargets& targets)
    : growth_(growth),
      tile_(tile),
      room_(room),
      nodes_(nodes),
      targets_(targets),
      class_kernels_(class_kernels(growth.task.instruction_set)),
      tree_kernels_(tree_kernels<NarrowEntry>(growth.task.instruction_set)),
      cut_limits_{.min_rows = growth.limits.min_samples_leaf, .min_weight = growth.min_weight},
      draw_(growth.task.x.cols) {}

void ClassGrower::grow(const OpenNode& top) {
  room_.codes.resize(tile_.rows + 1);
  room_.entries.resize(tile_.rows);
  for (std::size_t i = 0; i < tile_.rows; ++i) {
    room_.codes[i] = class_code(static_cast<std::size_t>(tile_.y[i]), tile_.sums[i].w);
  }
  OpenNode root = top;
  root.first = 0;
  root.last = tile_.rows;
  const ClassCounts counts = count(tile_.list(0), tile_.rows);
  root.total = {.wy = 0.0, .w = static_cast<double>(counts.weight)};
  put(root, counts, is_open(root, counts));
  while (!open_.empty()) {
    const Open open = open_.back();
    open_.pop_back();
    if (growth_.task.stop.stop_requested())
      throw core::Error(core::ErrorCode::kCancelled, "the fit was stopped");
    const auto [feature, cut] = best_split(open);
    if (cut.left != 0 && growth_.worth(cut.score(open.counts), open.node)) {
      apply(open, feature, cut);
    } else {
      targets_.leaf(growth_, nodes_[open.node.node], open.counts);
    }
  }
}

bool ClassGrower::constant(std::size_t feature, const OpenNode& node) const noexcept {
  const NarrowEntry* list = tile_.list(feature);
  return rank_of(list[node.first]) == rank_of(list[node.last - 1]);
}

ClassCounts ClassGrower::count(const NarrowEntry* entries, std::size_t n) const noexcept {
  ClassCounts counts;
  for (std::size_t i = 0; i < n; ++i) {
    const ClassCode code = room_.codes[row_of(entries[i])];
    counts.of[class_of(code)] += weight_of(code);
  }
  counts.add_up();
  return counts;
}

ClassCut ClassGrower::best_cut(std::size_t feature, const Open& open) const noexcept {
  const NarrowEntry* entries = tile_.list(feature) + open.node.first;
  const std::size_t n = open.node.rows();
  const ClassCode* codes = room_.codes.data();
  ClassCut best;
  class_kernels_.best_cut(entries, n, codes, open.counts, {}, 0, cut_limits_, best);
  if (rank_of(entries[n - 1]) != kMissingRank<NarrowEntry>) return best;
  const std::size_t present = present_rows(entries, n);
  ClassCut left{.value = best.value};
  class_kernels_.best_cut(entries, present, codes, open.counts,
                          count(entries + present, n - present), n - present, cut_limits_, left);
  left.missing_left = true;
  return left.left != 0 ? left : best;
}

std::pair<std::size_t, ClassCut> ClassGrower::best_split(const Open& open) {
  NodeStream stream(open.node.key);
  draw_.choose(growth_.limits.max_features, stream,
               [&](std::size_t j) { return constant(j, open.node); });
  const std::vector<std::uint32_t>& chosen = draw_.chosen();
  class_cuts_.clear();
  cuts_.clear();
  for (const std::uint32_t j : chosen) {
    const ClassCut cut = best_cut(j, open);
    class_cuts_.push_back(cut);
    cuts_.push_back({.score = cut.score(open.counts), .left = cut.left});
  }
  const std::size_t best = draw_best(cuts_, stream, equals_);
  if (best == cuts_.size()) return {};
  return {chosen[best], class_cuts_[best]};
}

bool ClassGrower::is_open(const OpenNode& node, const ClassCounts& counts) const noexcept {
  return growth_.divisible(node) && !counts.pure();
}

/// A leaf at once, or something to grow.
void ClassGrower::put(const OpenNode& node, const ClassCounts& counts, bool is_open) {
  if (is_open) {
    open_.push_back({node, counts});
  } else {
    targets_.leaf(growth_, nodes_[node.node], counts);
  }
}

void ClassGrower::apply(const Open& open, std::size_t feature, ClassCut cut) {
  const OpenNode& node = open.node;
  NarrowEntry* entries = tile_.list(feature) + node.first;
  const std::size_t n = node.rows();
  const bool has_missing = rank_of(entries[n - 1]) == kMissingRank<NarrowEntry>;
  const std::uint32_t below = tile_.row[row_of(entries[cut.left - 1])];
  const std::uint32_t above = rank_of(entries[cut.left]) == kMissingRank<NarrowEntry>
                                  ? kMissingAbove
                                  : tile_.row[row_of(entries[cut.left])];
  std::size_t n_left = cut.left;
  if (has_missing && cut.missing_left) {
    // The missing ones move from the end to behind the left part.
    const std::size_t present = present_rows(entries, n);
    n_left += n - present;
    std::rotate(entries + cut.left, entries + present, entries + n);
  }
  for (std::size_t i = 0; i < n_left; ++i) tile_.left[row_of(entries[i])] = 1;
  for (std::size_t i = n_left; i < n; ++i) tile_.left[row_of(entries[i])] = 0;
  // Counting one side is enough.
  const bool left_is_less = n_left <= n - n_left;
  const ClassCounts less =
      left_is_less ? count(entries, n_left) : count(entries + n_left, n - n_left);
  const ClassCounts more = open.counts.without(less);
  const ClassCounts& left_counts = left_is_less ? less : more;
  const ClassCounts& right_counts = left_is_less ? more : less;
  const Split split{.feature = feature,
                    .cut = {.score = cut.score(open.counts),
                            .left = cut.left,
                            .left_total = {.wy = 0.0, .w = static_cast<double>(left_counts.weight)},
                            .missing_left = cut.missing_left}};
  const auto [left, right] =
      divide(growth_, nodes_, node, split,
             {.n_left = n_left,
              .below = below,
              .above = above,
              .missing_left = has_missing ? cut.missing_left : n_left > n - n_left,
              .right_total = {.wy = 0.0, .w = static_cast<double>(right_counts.weight)}});
  targets_.inner(growth_, nodes_[node.node], open.counts);
  const bool left_open = is_open(left, left_counts);
  const bool right_open = is_open(right, right_counts);
  if (left_open || right_open) partition_others(feature, node);
  put(right, right_counts, right_open);
  put(left, left_counts, left_open);
}

/// A list whose feature does not vary in the node is left as it is: below the node, too, it says
/// no more than that.
void ClassGrower::partition_others(std::size_t but, const OpenNode& node) {
  draw_.choose_if(tile_.features, [&](std::uint32_t j) { return j != but && !constant(j, node); });
  lists_.clear();
  for (const std::uint32_t j : draw_.chosen()) lists_.push_back(tile_.list(j) + node.first);
  tree_kernels_.partition(lists_.data(), lists_.size(), node.rows(), tile_.left.data(),
                          room_.entries.data());
}

}  // namespace mutirao::models::internal
