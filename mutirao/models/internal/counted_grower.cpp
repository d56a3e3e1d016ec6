#include "mutirao/models/internal/counted_grower.hpp"

#include <algorithm>
#include <cmath>

#include "mutirao/core/error.hpp"

namespace mutirao::models::internal {
namespace {

/// Both sums by one instruction.
void add(Sums& to, const Sums& what) noexcept {
  using Pair __attribute__((vector_size(sizeof(Sums)), may_alias)) = double;
  reinterpret_cast<Pair&>(to) += reinterpret_cast<const Pair&>(what);
}

/// to = from - part.
void subtract(const std::vector<Sums>& from, const std::vector<Sums>& part,
              std::vector<Sums>& to) noexcept {
  for (std::size_t slot = 0; slot < from.size(); ++slot) {
    const double w = from[slot].w - part[slot].w;
    to[slot] = {.wy = w > 0.0 ? from[slot].wy - part[slot].wy : 0.0, .w = w};
  }
}

}  // namespace

CountedGrower::CountedGrower(const Growth& growth, CountedTree& tree, std::vector<GrownNode>& nodes)
    : growth_(growth),
      coded_(*growth.task.coded),
      tree_(tree),
      nodes_(nodes),
      draw_(coded_.features()) {
  const TreeTask& task = growth.task;
  const std::size_t n = task.rows.size();
  const std::size_t features = coded_.features();
  tree_.sums.resize(n);
  tree_.y.resize(n);
  tree_.slot_of.resize(n * features);
  tree_.rows.resize(n);
  tree_.room.resize(n);
  tree_.spare.clear();
  for (std::size_t i = 0; i < tree_.counts.size(); ++i) tree_.spare.push_back(i);
  for (std::size_t i = 0; i < n; ++i) {
    const double weight = task.weights.empty() ? 1.0 : task.weights[i];
    const double y = task.y[task.rows[i]];
    whole_ = whole_ && weight == std::floor(weight);
    tree_.y[i] = y;
    tree_.sums[i] = {.wy = weight * (y - growth.centre), .w = weight};
    tree_.rows[i] = static_cast<std::uint32_t>(i);
    std::copy_n(coded_.row(task.rows[i]), features, tree_.slot_of.data() + i * features);
  }
}

void CountedGrower::grow(std::vector<OpenNode>& frontier) {
  OpenNode root{.first = 0, .last = tree_.rows.size(), .total = {}, .key = growth_.task.seed};
  for (const Sums& row : tree_.sums) {
    root.total.wy += row.wy;
    root.total.w += row.w;
  }
  nodes_.assign(1, {});
  if (put(root, frontier)) open_.push_back({.node = root});
  while (!open_.empty()) {
    OpenCounts open = open_.back();
    open_.pop_back();
    if (growth_.task.stop.stop_requested())
      throw core::Error(core::ErrorCode::kCancelled, "the fit was stopped");
    std::size_t feature = 0;
    SlotCut cut;
    if (best_split(open, feature, cut)) {
      apply(open, feature, cut, frontier);
    } else {
      leaf(open.node);
    }
    tree_.spare.push_back(open.counts);
  }
}

/// A leaf at once, or something to grow: here, then true, or on sorted lists.
bool CountedGrower::put(const OpenNode& node, std::vector<OpenNode>& frontier) {
  if (!growth_.divisible(node) || pure(node)) {
    leaf(node);
    return false;
  }
  if (coded_.worth_counting(node.rows())) return true;
  frontier.push_back(node);
  return false;
}

std::size_t CountedGrower::take_counts() {
  if (tree_.spare.empty()) {
    tree_.spare.push_back(tree_.counts.size());
    tree_.counts.emplace_back();
  }
  const std::size_t counts = tree_.spare.back();
  tree_.spare.pop_back();
  tree_.counts[counts].resize(coded_.slots());
  return counts;
}

void CountedGrower::count(const OpenNode& node, std::size_t first_feature, std::size_t last_feature,
                          std::size_t counts) {
  const std::size_t features = coded_.features();
  Sums* slots = tree_.counts[counts].data();
  std::fill(slots + coded_.first_slot(first_feature), slots + coded_.first_slot(last_feature),
            Sums{});
  for (std::size_t i = node.first; i < node.last; ++i) {
    const std::size_t row = tree_.rows[i];
    const Sums sums = tree_.sums[row];
    const std::uint16_t* slot_of = tree_.slot_of.data() + row * features;
    for (std::size_t j = first_feature; j < last_feature; ++j) add(slots[slot_of[j]], sums);
  }
}

bool CountedGrower::constant(std::size_t feature) const noexcept {
  const Sums* slot = slots_ + coded_.first_slot(feature);
  const Sums* const end = slots_ + coded_.first_slot(feature + 1);
  return std::count_if(slot, end, [](const Sums& each) { return each.w > 0.0; }) < 2;
}

/// The best cut with the missing rows on the given side, if it is better.
void CountedGrower::consider_cuts(std::size_t feature, const Sums& total, bool missing_left,
                                  SlotCut& best) const noexcept {
  const std::size_t missing = coded_.missing_slot(feature);
  // Missing rows on the left are added first, and the cut then lies between two present values.
  const std::size_t end = missing_left ? missing : missing + 1;
  Sums left;
  if (missing_left) left = slots_[missing];
  std::size_t below = end;
  for (std::size_t slot = coded_.first_slot(feature); slot < end; ++slot) {
    if (!(slots_[slot].w > 0.0)) continue;
    if (below != end) {
      const double wr = total.w - left.w;
      const double d = left.wy * total.w - total.wy * left.w;
      const double denominator = left.w * wr;
      const double score = d * d / denominator;
      if (score > best.cut.score && denominator > 0.0 && left.w >= growth_.min_weight &&
          wr >= growth_.min_weight) {
        best = {
            .cut = {.score = score, .left = 1, .left_total = left, .missing_left = missing_left},
            .below = below,
            .above = slot};
      }
    }
    left.wy += slots_[slot].wy;
    left.w += slots_[slot].w;
    below = slot;
  }
}

CountedGrower::SlotCut CountedGrower::best_cut(std::size_t feature,
                                               const Sums& total) const noexcept {
  SlotCut best;
  consider_cuts(feature, total, false, best);
  if (slots_[coded_.missing_slot(feature)].w > 0.0) consider_cuts(feature, total, true, best);
  return best;
}

bool CountedGrower::best_split(OpenCounts& open, std::size_t& feature, SlotCut& cut) {
  const OpenNode& node = open.node;
  NodeStream stream(node.key);
  const std::size_t features = coded_.features();
  const bool all = looks_at_all();
  if (open.counts == kNotCounted) {
    open.counts = take_counts();
    if (all) count(node, 0, features, open.counts);
  }
  slots_ = tree_.counts[open.counts].data();
  draw_.choose(growth_.limits.max_features, stream, [&](std::size_t j) {
    if (!all) count(node, j, j + 1, open.counts);
    return constant(j);
  });
  const std::vector<std::uint32_t>& chosen = draw_.chosen();
  slot_cuts_.clear();
  cuts_.clear();
  for (const std::uint32_t j : chosen) {
    slot_cuts_.push_back(best_cut(j, node.total));
    cuts_.push_back(slot_cuts_.back().cut);
  }
  const std::size_t best = draw_best(cuts_, stream, equals_);
  if (best == cuts_.size()) return false;
  feature = chosen[best];
  cut = slot_cuts_[best];
  return growth_.worth({.feature = feature, .cut = cut.cut}, node);
}

Sums CountedGrower::right_of(std::size_t feature, const SlotCut& cut) const noexcept {
  const std::size_t missing = coded_.missing_slot(feature);
  Sums right;
  for (std::size_t slot = cut.below + 1; slot < missing; ++slot) add(right, slots_[slot]);
  if (!cut.cut.missing_left) add(right, slots_[missing]);
  return right;
}

void CountedGrower::apply(const OpenCounts& open, std::size_t feature, const SlotCut& cut,
                          std::vector<OpenNode>& frontier) {
  const OpenNode& node = open.node;
  const std::size_t features = coded_.features();
  const std::size_t missing = coded_.missing_slot(feature);
  std::uint32_t* rows = tree_.rows.data() + node.first;
  std::uint32_t* room = tree_.room.data();
  const std::size_t n = node.rows();
  const Sums right_total = right_of(feature, cut);
  std::size_t n_left = 0;
  std::size_t n_right = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t row = rows[i];
    const std::size_t slot = tree_.slot_of[row * features + feature];
    const bool left = slot == missing ? cut.cut.missing_left : slot <= cut.below;
    rows[n_left] = row;
    room[n_right] = row;
    n_left += left ? 1 : 0;
    n_right += left ? 0 : 1;
  }
  std::copy_n(room, n_right, rows + n_left);
  const bool has_missing = slots_[missing].w > 0.0;
  const auto [left, right] =
      divide(growth_, nodes_, node, {.feature = feature, .cut = cut.cut},
             {.n_left = n_left,
              .below = coded_.row_of(cut.below),
              .above = cut.above == missing ? kMissingAbove : coded_.row_of(cut.above),
              .missing_left = has_missing ? cut.cut.missing_left : n_left > n - n_left,
              .right_total = right_total});
  OpenCounts right_counts{.node = right};
  OpenCounts left_counts{.node = left};
  const bool right_open = put(right, frontier);
  const bool left_open = put(left, frontier);
  if (looks_at_all() && whole_) {
    const bool left_is_small = n_left <= n - n_left;
    OpenCounts& small = left_is_small ? left_counts : right_counts;
    OpenCounts& large = left_is_small ? right_counts : left_counts;
    if (left_is_small ? right_open : left_open) {
      small.counts = take_counts();
      large.counts = take_counts();
      count(small.node, 0, features, small.counts);
      subtract(tree_.counts[open.counts], tree_.counts[small.counts], tree_.counts[large.counts]);
      if (!(left_is_small ? left_open : right_open)) tree_.spare.push_back(small.counts);
    }
  }
  if (right_open) open_.push_back(right_counts);
  if (left_open) open_.push_back(left_counts);
}

bool CountedGrower::pure(const OpenNode& node) const noexcept {
  const double first = tree_.y[tree_.rows[node.first]];
  for (std::size_t i = node.first + 1; i < node.last; ++i) {
    if (tree_.y[tree_.rows[i]] != first) return false;
  }
  return true;
}

void CountedGrower::leaf(const OpenNode& node) {
  const std::uint32_t* rows = tree_.rows.data() + node.first;
  make_leaf(
      growth_, nodes_[node.node], node.rows(), [&](std::size_t i) { return tree_.y[rows[i]]; },
      [&](std::size_t i) { return tree_.sums[rows[i]].w; });
}

void CountedGrower::fill_tile(const OpenNode& node, Tile<NarrowEntry>& tile,
                              std::vector<std::uint32_t>& room) const {
  const std::size_t features = coded_.features();
  const std::size_t n = node.rows();
  const std::uint32_t* rows = tree_.rows.data() + node.first;
  tile.resize(n, features);
  // All features side by side, so that no step waits for the one before.
  room.assign(coded_.slots(), 0);
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint32_t row = rows[i];
    tile.row[i] = growth_.task.rows[row];
    tile.y[i] = tree_.y[row];
    tile.sums[i] = tree_.sums[row];
    const std::uint16_t* slot_of = tree_.slot_of.data() + row * features;
    for (std::size_t j = 0; j < features; ++j) ++room[slot_of[j]];
  }
  // From counts to the entry that comes next: its position and, in the upper half, its rank.
  for (std::size_t j = 0; j < features; ++j) {
    const std::size_t missing = coded_.missing_slot(j);
    std::uint32_t rank = 0;
    std::uint32_t position = 0;
    for (std::size_t slot = coded_.first_slot(j); slot <= missing; ++slot) {
      const std::uint32_t count = room[slot];
      room[slot] = position | (slot == missing ? kMissingRank<NarrowEntry> : rank)
                                  << kRankShift<NarrowEntry>;
      position += count;
      rank += count != 0 ? 1 : 0;
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint16_t* slot_of = tree_.slot_of.data() + rows[i] * features;
    for (std::size_t j = 0; j < features; ++j) {
      const std::uint32_t next = room[slot_of[j]]++;
      tile.list(j)[row_of(next)] =
          rank_of(next) << kRankShift<NarrowEntry> | static_cast<NarrowEntry>(i);
    }
  }
}

}  // namespace mutirao::models::internal
