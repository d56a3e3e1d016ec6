#include "mutirao/models/internal/class_grower.hpp"

#include <algorithm>
#include <array>

#include "mutirao/core/error.hpp"

namespace mutirao::models::internal {

bool ClassGrower::possible(const Growth& growth) noexcept {
  return growth.limits.max_leaf_nodes == 0 && ClassTargets::whole(growth);
}

ClassGrower::ClassGrower(const Growth& growth, Tile<NarrowEntry>& tile, ClassRoom& room,
                         std::vector<GrownNode>& nodes, ClassTargets& targets,
                         SmallClassGrower<SmallRankSearch>& small, ClassGrower* part)
    : growth_(growth),
      tile_(tile),
      room_(room),
      nodes_(nodes),
      targets_(targets),
      small_(small),
      class_kernels_(class_kernels(growth.task.instruction_set)),
      part_(part),
      cut_limits_{.min_rows = growth.limits.min_samples_leaf, .min_weight = growth.min_weight},
      draw_(growth.task.x.cols()) {}

void ClassGrower::grow(const OpenNode& top) {
  room_.codes.resize(tile_.rows + 1);
  room_.entries.resize(tile_.rows + kReadBeyond);
  room_.marks.assign(RowMarks::words_for(tile_.rows), 0);
  for (std::size_t i = 0; i < tile_.rows; ++i) {
    room_.codes[i] = class_code(static_cast<std::size_t>(tile_.y[i]), tile_.sums[i].w);
  }
  OpenNode root = top;
  root.first = 0;
  root.last = tile_.rows;
  const ClassCounts counts = count(tile_.list(0), tile_.rows);
  root.total = {.wy = 0.0, .w = static_cast<double>(counts.weight)};
  if (put(root, counts, tile_.list(0))) open_.push_back({root, counts, 0});
  grow_open();
}

/// The rows of a node get numbers of their own.
void ClassGrower::grow_part(const Open& top, const Tile<NarrowEntry>& from, ClassRoom& from_room) {
  const std::size_t n = top.node.rows();
  tile_.resize(n, from.features);
  room_.codes.resize(n + 1);
  room_.entries.resize(n + kReadBeyond);
  room_.marks.assign(RowMarks::words_for(n), 0);
  std::vector<std::uint32_t>& number_of = from_room.number_of;
  if (number_of.size() < from.rows) number_of.resize(from.rows);
  const NarrowEntry* rows = from.list(top.list) + top.node.first;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t row = row_of(rows[i]);
    number_of[row] = static_cast<std::uint32_t>(i);
    tile_.row[i] = from.row[row];
    room_.codes[i] = from_room.codes[row];
  }
  for (std::size_t j = 0; j < tile_.features; ++j) {
    const NarrowEntry* entries = from.list(j) + top.node.first;
    NarrowEntry* list = tile_.list(j);
    // The list of a feature that does not vary may be that of a node above, with other rows.
    if (rank_of(entries[0]) == rank_of(entries[n - 1])) {
      std::fill_n(list, n, entries[0] & ~kMissingRank<NarrowEntry>);
      continue;
    }
    for (std::size_t i = 0; i < n; ++i) {
      list[i] = (entries[i] & ~kMissingRank<NarrowEntry>) | number_of[row_of(entries[i])];
    }
  }
  Open root = top;
  root.node.first = 0;
  root.node.last = n;
  open_.push_back(root);
  grow_open();
}

void ClassGrower::grow_open() {
  while (!open_.empty()) {
    const Open open = open_.back();
    open_.pop_back();
    if (part_ != nullptr && open.node.rows() <= RowMarks::kFewRows &&
        tile_.rows > RowMarks::kFewRows) {
      part_->grow_part(open, tile_, room_);
      continue;
    }
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

/// Whether something is left to grow: a leaf is made, and a few rows are grown, at once.
bool ClassGrower::put(const OpenNode& node, const ClassCounts& counts, const NarrowEntry* entries) {
  if (!growth_.divisible(node) || counts.pure()) {
    targets_.leaf(growth_, nodes_[node.node], counts);
    return false;
  }
  const std::size_t n = node.rows();
  if (n > small_.most_rows()) return true;
  std::array<std::uint32_t, SmallClassTile::kRows> rows;
  for (std::size_t i = 0; i < n; ++i) rows[i] = tile_.row[row_of(entries[i])];
  return !small_.grow(rows.data(), n, node);
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
  auto [left, right] =
      divide(growth_, nodes_, node, split,
             {.n_left = n_left,
              .below = below,
              .above = above,
              .missing_left = has_missing ? cut.missing_left : n_left > n - n_left,
              .right_total = {.wy = 0.0, .w = static_cast<double>(right_counts.weight)}});
  targets_.inner(growth_, nodes_[node.node], open.counts);
  const bool left_open = put(left, left_counts, entries);
  const bool right_open = put(right, right_counts, entries + n_left);
  if (!left_open && !right_open) return;
  // Where only one child goes on, it moves to the front of all lists, and nothing behind it counts.
  const bool left_is_front = left_open;
  const NarrowEntry* const marked = left_is_less ? entries : entries + n_left;
  const std::size_t n_marked = left_is_less ? n_left : n - n_left;
  mark(marked, n_marked, true);
  const RowMarks marks{
      .words = room_.marks.data(), .rows = tile_.rows, .on_left = left_is_less == left_is_front};
  choose_others(feature, node);
  if (left_open && right_open) {
    class_kernels_.partition(lists_.data(), lists_.size(), n, marks, room_.entries.data());
  } else {
    class_kernels_.keep_left(lists_.data(), lists_.size(), n, marks);
  }
  mark(marked, n_marked, false);
  if (right_open) {
    if (!left_open) {
      std::copy(entries + n_left, entries + n, entries);
      right.last -= n_left;
      right.first -= n_left;
    }
    open_.push_back({right, right_counts, feature});
  }
  if (left_open) open_.push_back({left, left_counts, feature});
}

void ClassGrower::mark(const NarrowEntry* entries, std::size_t n, bool marked) {
  std::uint32_t* words = room_.marks.data();
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t row = row_of(entries[i]);
    std::uint32_t& word = words[row / RowMarks::kWordBits];
    word = marked ? word | 1U << row % RowMarks::kWordBits : 0;
  }
}

/// A list whose feature does not vary in the node is left as it is: below the node, too, it says
/// no more than that.
void ClassGrower::choose_others(std::size_t but, const OpenNode& node) {
  draw_.choose_if(tile_.features, [&](std::uint32_t j) { return j != but && !constant(j, node); });
  lists_.clear();
  for (const std::uint32_t j : draw_.chosen()) lists_.push_back(tile_.list(j) + node.first);
}

}  // namespace mutirao::models::internal
