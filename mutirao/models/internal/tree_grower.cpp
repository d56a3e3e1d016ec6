#include "mutirao/models/internal/tree_grower.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <queue>
#include <utility>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/class_grower.hpp"
#include "mutirao/models/internal/class_targets.hpp"
#include "mutirao/models/internal/counted_grower.hpp"
#include "mutirao/models/internal/grown_nodes.hpp"
#include "mutirao/models/internal/growth.hpp"
#include "mutirao/models/internal/random_search.hpp"
#include "mutirao/models/internal/row_grower.hpp"
#include "mutirao/models/internal/small_class_grower.hpp"
#include "mutirao/models/internal/small_grower.hpp"
#include "mutirao/models/internal/sorted_class_search.hpp"
#include "mutirao/models/internal/sorted_sum_search.hpp"
#include "mutirao/models/internal/sum_targets.hpp"
#include "mutirao/models/internal/tree_kernels.hpp"
#include "mutirao/models/internal/tree_tile.hpp"

namespace mutirao::models::internal {
namespace {

/// Nodes of at least this many rows are searched and split by several threads, a column each.
constexpr std::size_t kRowsWorthThreads = 8192;
/// A single tree is cut into tiles of at most 1/32 of its rows, and at least this many.
constexpr std::size_t kTileRows = 512;
constexpr std::size_t kTiles = 32;
constexpr std::size_t kNarrowRows = kMissingRank<NarrowEntry>;

template <class Entry>
class Grower {
 public:
  Grower(const Growth& growth, Tile<Entry>& tile, std::vector<GrownNode>& nodes,
         exec::CoreBudget* budget, std::size_t max_cores)
      : growth_(growth),
        tile_(tile),
        nodes_(nodes),
        kernels_(tree_kernels<Entry>(growth.task.instruction_set)),
        budget_(budget),
        max_cores_(max_cores),
        cut_limits_{.min_rows = growth.limits.min_samples_leaf, .min_weight = growth.min_weight},
        draw_(tile.features),
        small_(growth, tile.features, nodes) {
    rooms_.resize(budget != nullptr ? std::max<std::size_t>(1, budget->cores()) : 1);
  }

  /// Grows below `root`, depth first; nodes of at most `cut` rows are left to others, in
  /// `frontier`.
  void grow(const OpenNode& root, std::size_t cut, std::vector<OpenNode>& frontier) {
    std::vector<OpenNode> open;
    if (!growth_.divisible(root) || pure(tile_.list(0) + root.first, root.rows())) {
      leaf(root.node, tile_.list(0) + root.first, root.rows());
    } else {
      open.push_back(root);
    }
    while (!open.empty()) {
      const OpenNode node = open.back();
      open.pop_back();
      if (small_.grow(tile_, node)) continue;
      throw_if_stopped();
      const Split split = best_split(node);
      if (!growth_.worth(split, node)) {
        leaf(node.node, tile_.list(0) + node.first, node.rows());
        continue;
      }
      for (const OpenNode& child : apply(split, node)) {
        if (child.rows() == 0) continue;
        (child.rows() > cut ? open : frontier).push_back(child);
      }
    }
  }

  /// Splits the leaf that gains most, until there are `max_leaves`.
  void grow_best_first(const OpenNode& root, std::size_t max_leaves) {
    struct Candidate {
      OpenNode node;
      Split split;
      double gain;
      // The larger gain first; of equals the older node.
      bool operator<(const Candidate& other) const noexcept {
        return gain != other.gain ? gain < other.gain : node.node > other.node.node;
      }
    };
    std::priority_queue<Candidate> candidates;
    const auto consider = [&](const OpenNode& node) {
      throw_if_stopped();
      // A leaf until its turn comes.
      leaf(node.node, tile_.list(0) + node.first, node.rows());
      const Split split = best_split(node);
      if (growth_.worth(split, node))
        candidates.push({node, split, split.cut.score / node.total.w});
    };
    if (growth_.divisible(root) && !pure(tile_.list(0) + root.first, root.rows())) {
      consider(root);
    } else {
      leaf(root.node, tile_.list(0) + root.first, root.rows());
    }
    for (std::size_t leaves = 1; leaves < max_leaves && !candidates.empty(); ++leaves) {
      const Candidate best = candidates.top();
      candidates.pop();
      for (const OpenNode& child : apply(best.split, best.node)) {
        if (child.rows() != 0) consider(child);
      }
    }
  }

 private:
  void throw_if_stopped() const {
    if (growth_.task.stop.stop_requested())
      throw core::Error(core::ErrorCode::kCancelled, "the fit was stopped");
  }

  bool pure(const Entry* entries, std::size_t n) const noexcept {
    for (std::size_t i = 1; i < n; ++i) {
      if (tile_.y[row_of(entries[i])] != tile_.y[row_of(entries[0])]) return false;
    }
    return true;
  }

  bool constant(std::size_t feature, const OpenNode& node) const noexcept {
    const Entry* list = tile_.list(feature);
    return rank_of(list[node.first]) == rank_of(list[node.last - 1]);
  }

  /// The better of the cut that was found with missing values on the right, if there are any, and
  /// the best with them on the left.
  Cut with_missing(std::size_t feature, const OpenNode& node, const Cut& right) const {
    const Entry* entries = tile_.list(feature) + node.first;
    const std::size_t n = node.rows();
    if (rank_of(entries[n - 1]) != kMissingRank<Entry>) return right;
    const std::size_t present = present_rows(entries, n);
    const Sums missing = sum(entries + present, n - present);
    Cut left = kernels_.best_cut(entries, present, tile_.sums.data(), node.total, missing,
                                 n - present, cut_limits_, right.score);
    if (left.left == 0) return right;
    left.missing_left = true;
    return left;
  }

  /// The best cuts of the chosen features [first, last), into cuts_.
  void search(std::size_t first, std::size_t last, const OpenNode& node) {
    kernels_.best_cuts(lists_.data() + first, last - first, node.rows(), tile_.sums.data(),
                       node.total, cut_limits_, cuts_.data() + first);
    for (std::size_t i = first; i < last; ++i)
      cuts_[i] = with_missing(draw_.chosen()[i], node, cuts_[i]);
  }

  Split best_split(const OpenNode& node) {
    NodeStream stream(node.key);
    draw_.choose(growth_.limits.max_features, stream,
                 [&](std::size_t j) { return constant(j, node); });
    const std::vector<std::uint32_t>& candidates = draw_.chosen();
    const std::size_t n = candidates.size();
    if (n == 0) return {};
    if (node.rows() == 2 && growth_.min_weight == 0.0) {
      const std::size_t feature = candidates[stream.below(n)];
      return pair_split(feature, tile_.sums[row_of(tile_.list(feature)[node.first])], node.total);
    }
    lists_.resize(n);
    for (std::size_t i = 0; i < n; ++i) lists_[i] = tile_.list(candidates[i]) + node.first;
    cuts_.resize(n);
    if (budget_ != nullptr && node.rows() >= kRowsWorthThreads) {
      const std::size_t part = std::clamp<std::size_t>(n / rooms_.size(), 1, kMostLanes);
      budget_->for_each((n + part - 1) / part,
                        [&](std::size_t unit, std::size_t) {
                          search(unit * part, std::min(n, (unit + 1) * part), node);
                        },
                        max_cores_);
    } else {
      search(0, n, node);
    }
    const std::size_t best = draw_best(cuts_, stream, equals_);
    return best == n ? Split{} : Split{.feature = candidates[best], .cut = cuts_[best]};
  }

  Sums sum(const Entry* entries, std::size_t n) const noexcept {
    Sums total;
    for (std::size_t i = 0; i < n; ++i) {
      const Sums& row = tile_.sums[row_of(entries[i])];
      total.wy += row.wy;
      total.w += row.w;
    }
    return total;
  }

  /// Marks the sides of a split; gives the sums of the right one.
  Sums mark(const Entry* entries, std::size_t n_left, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n_left; ++i) tile_.left[row_of(entries[i])] = 1;
    Sums right;
    for (std::size_t i = n_left; i < n; ++i) {
      const std::size_t row = row_of(entries[i]);
      tile_.left[row] = 0;
      right.wy += tile_.sums[row].wy;
      right.w += tile_.sums[row].w;
    }
    return right;
  }

  /// Splits the node. Gives the children that may be split again; one without rows is a leaf.
  std::array<OpenNode, 2> apply(const Split& split, const OpenNode& node) {
    Entry* entries = tile_.list(split.feature) + node.first;
    const std::size_t n = node.rows();
    const bool has_missing = rank_of(entries[n - 1]) == kMissingRank<Entry>;
    const std::uint32_t below = tile_.row[row_of(entries[split.cut.left - 1])];
    const std::uint32_t above = rank_of(entries[split.cut.left]) == kMissingRank<Entry>
                                    ? kMissingAbove
                                    : tile_.row[row_of(entries[split.cut.left])];
    std::size_t n_left = split.cut.left;
    if (has_missing && split.cut.missing_left) {
      // The missing ones move from the end to behind the left part.
      const std::size_t present = present_rows(entries, n);
      n_left += n - present;
      std::rotate(entries + split.cut.left, entries + present, entries + n);
    }
    const Sums right_total = mark(entries, n_left, n);

    auto [left, right] =
        divide(growth_, nodes_, node, split,
               {.n_left = n_left,
                .below = below,
                .above = above,
                .missing_left = has_missing ? split.cut.missing_left : n_left > n - n_left,
                .right_total = right_total});
    const bool left_open = growth_.divisible(left) && !pure(entries, n_left);
    const bool right_open = growth_.divisible(right) && !pure(entries + n_left, n - n_left);
    if (!left_open) leaf(left.node, entries, n_left);
    if (!right_open) leaf(right.node, entries + n_left, n - n_left);
    if (left_open || right_open) {
      partition_others(split.feature, node);
    }
    if (!left_open) left.last = left.first;
    if (!right_open) right.last = right.first;
    // The right one first: a stack takes the left one next.
    return {right, left};
  }

  /// A list whose feature does not vary in the node is left as it is: below the node, too, it says
  /// no more than that. List 0 always says which rows there are.
  void partition_others(std::size_t but, const OpenNode& node) {
    draw_.choose_if(tile_.features,
                    [&](std::uint32_t j) { return j != but && (j == 0 || !constant(j, node)); });
    lists_.clear();
    for (const std::uint32_t j : draw_.chosen()) lists_.push_back(tile_.list(j) + node.first);
    const auto partition = [&](std::size_t first, std::size_t n, std::size_t lane) {
      auto& room = rooms_[lane];
      if (room.size() < node.rows()) room.resize(node.rows());
      kernels_.partition(lists_.data() + first, n, node.rows(), tile_.left.data(), room.data());
    };
    if (budget_ != nullptr && node.rows() >= kRowsWorthThreads) {
      budget_->for_each(
          lists_.size(), [&](std::size_t i, std::size_t lane) { partition(i, 1, lane); },
          max_cores_);
    } else {
      partition(0, lists_.size(), 0);
    }
  }

  void leaf(std::size_t node, const Entry* entries, std::size_t n) {
    make_leaf(
        growth_, nodes_[node], n, [&](std::size_t i) { return tile_.y[row_of(entries[i])]; },
        [&](std::size_t i) { return tile_.sums[row_of(entries[i])].w; });
  }

  const Growth& growth_;
  Tile<Entry>& tile_;
  std::vector<GrownNode>& nodes_;
  const TreeKernels<Entry>& kernels_;
  exec::CoreBudget* budget_;
  std::size_t max_cores_;
  CutLimits cut_limits_;
  FeatureDraw draw_;
  SmallGrower small_;
  std::vector<Entry*> lists_;  // where the node begins in some of the lists
  std::vector<Cut> cuts_;      // per candidate
  std::vector<std::uint32_t> equals_;
  std::vector<std::vector<Entry>> rooms_;  // per lane
};

struct Lane {
  Tile<NarrowEntry> tile;
  std::vector<std::uint32_t> room;
};

/// The largest float32 that is smaller. Requires: finite.
float next_below(float value) noexcept {
  if (value == 0.0F) return -std::numeric_limits<float>::denorm_min();
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return std::bit_cast<float>(value > 0.0F ? bits - 1 : bits + 1);
}

/// Midway between two values of a feature.
float threshold_between(float below, float above) noexcept {
  const double middle = double{below} / 2.0 + double{above} / 2.0;
  // Rounded down: a float32 is <= it exactly if it is <= middle.
  auto threshold = static_cast<float>(middle);
  if (double{threshold} > middle) threshold = next_below(threshold);
  return threshold < above ? threshold : below;
}

/// All at the end: the values lie scattered in memory, and here one load need not wait for another.
void set_thresholds(const TreeTask& task, std::vector<GrownNode>& nodes) {
  const auto value = [&](std::uint32_t row, std::size_t feature) {
    return task.coded != nullptr ? task.coded->value(task.coded->row(row)[feature])
                                 : task.x(row, feature);
  };
  constexpr std::size_t kAhead = 16;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (task.coded != nullptr && i + kAhead < nodes.size()) {
      const GrownNode& next = nodes[i + kAhead];
      __builtin_prefetch(task.coded->row(next.below) + next.feature);
      if (next.above != kMissingAbove)
        __builtin_prefetch(task.coded->row(next.above) + next.feature);
    }
    GrownNode& node = nodes[i];
    if (node.is_leaf()) continue;
    node.threshold =
        node.above == kMissingAbove
            ? std::numeric_limits<float>::infinity()
            : threshold_between(value(node.below, node.feature), value(node.above, node.feature));
  }
}

/// Appends the nodes of a subtree, whose root takes the place of nodes[at].
void graft(std::vector<GrownNode>& nodes, std::size_t at, std::span<const GrownNode> subtree) {
  const auto offset = static_cast<std::uint32_t>(nodes.size() - 1);
  for (std::size_t i = 0; i < subtree.size(); ++i) {
    GrownNode node = subtree[i];
    if (!node.is_leaf()) {
      node.left += offset;
      node.right += offset;
    }
    if (i == 0) {
      nodes[at] = node;
    } else {
      nodes.push_back(node);
    }
  }
}

}  // namespace

struct TreeScratch::Buffers {
  Tile<NarrowEntry> narrow;
  Tile<WideEntry> wide;
  std::vector<std::uint32_t> local_of;
  std::vector<GrownNode> nodes;
  std::vector<Lane> lanes;
  CountedTree counted;
  std::vector<std::uint32_t> rows;
  std::vector<std::uint32_t> room;
  SumTargets sum_targets;
  ClassTargets class_targets;
  ClassRoom class_room;
  Tile<NarrowEntry> class_part;
  ClassRoom class_part_room;
};

namespace {

/// Grows the nodes that were left, each in a tile of its own that fill(node, tile, room) makes.
template <class Fill>
void grow_frontier(const Growth& growth, std::vector<OpenNode>& frontier,
                   TreeScratch::Buffers& buffers, exec::CoreBudget* budget, std::size_t max_cores,
                   Fill fill) {
  // The largest first, so that the threads end together.
  std::stable_sort(frontier.begin(), frontier.end(),
                   [](const OpenNode& a, const OpenNode& b) { return a.rows() > b.rows(); });
  buffers.lanes.resize(budget != nullptr ? std::max<std::size_t>(1, budget->cores()) : 1);
  const auto top_of = [](const OpenNode& node, const Tile<NarrowEntry>& part, std::uint32_t at) {
    OpenNode top = node;
    top.first = 0;
    top.last = part.rows;
    top.node = at;
    return top;
  };
  if (budget == nullptr) {
    std::vector<OpenNode> none;
    Tile<NarrowEntry>& part = buffers.lanes[0].tile;
    part.features = growth.task.x.cols();
    // One for all of them: there are many, and each would make its lists anew.
    Grower<NarrowEntry> below(growth, part, buffers.nodes, nullptr, 1);
    for (const OpenNode& node : frontier) {
      fill(node, part, buffers.lanes[0].room);
      below.grow(top_of(node, part, node.node), 0, none);
    }
    return;
  }
  std::vector<std::vector<GrownNode>> subtrees(frontier.size());
  budget->for_each(
      frontier.size(),
      [&](std::size_t unit, std::size_t lane) {
        Tile<NarrowEntry>& part = buffers.lanes[lane].tile;
        fill(frontier[unit], part, buffers.lanes[lane].room);
        subtrees[unit].assign(1, {});
        std::vector<OpenNode> left;
        Grower<NarrowEntry>(growth, part, subtrees[unit], nullptr, 1)
            .grow(top_of(frontier[unit], part, 0), 0, left);
      },
      max_cores);
  for (std::size_t unit = 0; unit < frontier.size(); ++unit)
    graft(buffers.nodes, frontier[unit].node, subtrees[unit]);
}

template <class Entry>
void grow_all(const Growth& growth, Tile<Entry>& tile, TreeScratch::Buffers& buffers,
              exec::CoreBudget* budget, std::size_t max_cores) {
  const TreeTask& task = growth.task;
  fill_tile(tile, *task.ranked, task.rows, task.y, task.weights, growth.centre, buffers.local_of);
  std::vector<GrownNode>& nodes = buffers.nodes;
  nodes.assign(1, {});
  Grower<Entry> grower(growth, tile, nodes, budget, max_cores);
  OpenNode root{.first = 0, .last = tile.rows, .total = {}, .key = task.seed};
  for (const Sums& row : tile.sums) {
    root.total.wy += row.wy;
    root.total.w += row.w;
  }
  if (growth.limits.max_leaf_nodes != 0) {
    grower.grow_best_first(root, growth.limits.max_leaf_nodes);
    return;
  }
  std::size_t cut = 0;
  if (budget != nullptr) {
    cut = std::clamp(tile.rows / kTiles, kTileRows, kNarrowRows);
  } else if (tile.rows > kNarrowRows) {
    cut = kNarrowRows;
  }
  std::vector<OpenNode> frontier;
  grower.grow(root, tile.rows > cut ? cut : 0, frontier);
  if (frontier.empty()) return;

  buffers.local_of.resize(tile.rows);
  grow_frontier(growth, frontier, buffers, budget, max_cores,
                [&](const OpenNode& node, Tile<NarrowEntry>& part, std::vector<std::uint32_t>&) {
                  fill_tile(part, tile, node.first, node.last, std::span(buffers.local_of));
                });
}

void grow_counted(const Growth& growth, TreeScratch::Buffers& buffers, exec::CoreBudget* budget,
                  std::size_t max_cores) {
  CountedGrower grower(growth, buffers.counted, buffers.nodes);
  std::vector<OpenNode> frontier;
  grower.grow(frontier);
  grow_frontier(growth, frontier, buffers, budget, max_cores,
                [&](const OpenNode& node, Tile<NarrowEntry>& part,
                    std::vector<std::uint32_t>& room) { grower.fill_tile(node, part, room); });
}

/// Nodes of at most so many rows get the sorted lists of all features.
constexpr std::size_t kRowsWorthLists = 64;

constexpr auto kNothingBelow = [](const std::uint32_t*, std::size_t, const OpenNode&) {
  return false;
};

template <class Search, class Below = decltype(kNothingBelow)>
void grow_by_rows(const Growth& growth, Search&& search, TreeScratch::Buffers& buffers,
                  std::size_t cut, std::vector<OpenNode>& frontier,
                  const Below& below = kNothingBelow) {
  RowGrower grower(growth, search, buffers.rows, buffers.room, buffers.nodes);
  if (growth.limits.max_leaf_nodes != 0) {
    grower.grow_best_first(growth.limits.max_leaf_nodes);
  } else {
    grower.grow(cut, frontier, below);
  }
}

template <class Search>
auto grow_with(SmallClassGrower<Search>& small) {
  return [&small](const std::uint32_t* rows, std::size_t n, const OpenNode& node) {
    return small.grow(rows, n, node);
  };
}

/// Classes on sorted lists; parts of a tree that is too large for a tile are found by sorting.
void grow_classes(const Growth& growth, TreeScratch::Buffers& buffers) {
  const TreeTask& task = growth.task;
  ClassTargets& targets = buffers.class_targets;
  Tile<NarrowEntry>& tile = buffers.narrow;
  SortedClassSearch search(growth, *task.row_ranks, targets);
  SmallClassGrower<SmallRankSearch> small(growth, *task.row_ranks, targets, buffers.nodes);
  ClassGrower part(growth, buffers.class_part, buffers.class_part_room, buffers.nodes, targets,
                   small, nullptr);
  ClassGrower grower(growth, tile, buffers.class_room, buffers.nodes, targets, small, &part);
  if (task.rows.size() <= kNarrowRows) {
    fill_tile(tile, *task.ranked, task.rows, task.y, task.weights, 0.0, buffers.local_of);
    buffers.nodes.assign(1, {});
    grower.grow({.total = {}, .key = task.seed});
    return;
  }
  std::vector<OpenNode> frontier;
  grow_by_rows(growth, search, buffers, kNarrowRows, frontier);
  for (const OpenNode& node : frontier) {
    search.fill_tile(buffers.rows.data() + node.first, node.rows(), tile);
    grower.grow(node);
  }
}

/// Where thresholds are drawn, classes are counted, or few features are looked at.
void grow_by_rows(const Growth& growth, TreeScratch::Buffers& buffers, exec::CoreBudget* budget,
                  std::size_t max_cores) {
  const TreeTask& task = growth.task;
  const bool sums = grown_on_sums(task.n_classes, task.impurity);
  std::vector<OpenNode> frontier;
  if (task.row_values != nullptr) {
    if (sums) {
      grow_by_rows(growth, RandomSearch(growth, *task.row_values, buffers.sum_targets), buffers, 0,
                   frontier);
    } else {
      RandomSearch search(growth, *task.row_values, buffers.class_targets);
      SmallClassGrower<SmallValueSearch> small(growth, *task.row_values, buffers.class_targets,
                                               buffers.nodes);
      grow_by_rows(growth, search, buffers, 0, frontier, grow_with(small));
    }
    return;
  }
  if (!sums && !looks_at_few(growth.limits, task.x.cols()) && ClassGrower::possible(growth)) {
    grow_classes(growth, buffers);
    return;
  }
  if (!sums) {
    SortedClassSearch search(growth, *task.row_ranks, buffers.class_targets);
    SmallClassGrower<SmallRankSearch> small(growth, *task.row_ranks, buffers.class_targets,
                                            buffers.nodes);
    grow_by_rows(growth, search, buffers, 0, frontier, grow_with(small));
    return;
  }
  SortedSumSearch search(growth, *task.row_ranks, buffers.sum_targets);
  grow_by_rows(growth, search, buffers, kRowsWorthLists, frontier);
  grow_frontier(growth, frontier, buffers, budget, max_cores,
                [&](const OpenNode& node, Tile<NarrowEntry>& part, std::vector<std::uint32_t>&) {
                  search.fill_tile(buffers.rows.data() + node.first, node.rows(), part);
                });
}

}  // namespace

bool looks_at_few(const GrowthLimits& limits, std::size_t n_features) noexcept {
  return limits.max_leaf_nodes == 0 && 6 * limits.max_features <= n_features;
}

TreeScratch::TreeScratch() : buffers_(std::make_unique<Buffers>()) {}
TreeScratch::~TreeScratch() = default;
TreeScratch::TreeScratch(TreeScratch&&) noexcept = default;
TreeScratch& TreeScratch::operator=(TreeScratch&&) noexcept = default;

GrownTree grow_tree(const TreeTask& task, const GrowthLimits& limits, TreeScratch& scratch,
                    exec::CoreBudget* budget, std::size_t max_cores) {
  double weight = 0.0;
  double weighted_y = 0.0;
  for (std::size_t i = 0; i < task.rows.size(); ++i) {
    const double w = task.weights.empty() ? 1.0 : task.weights[i];
    weight += w;
    weighted_y += w * task.y[task.rows[i]];
  }
  const bool sums = grown_on_sums(task.n_classes, task.impurity);
  const Growth growth{.task = task,
                      .limits = limits,
                      // Counts of classes stay whole numbers, which add up exactly.
                      .centre = task.n_classes == 0 ? weighted_y / weight : 0.0,
                      .min_weight = limits.min_weight_fraction_leaf * weight,
                      .weight = weight,
                      .scale = sums && task.n_classes != 0 ? 2.0 : 1.0};
  TreeScratch::Buffers& buffers = scratch.buffers();
  if (task.row_values != nullptr || task.row_ranks != nullptr) {
    grow_by_rows(growth, buffers, budget, max_cores);
  } else if (CountedGrower::possible(growth)) {
    grow_counted(growth, buffers, budget, max_cores);
  } else if (task.rows.size() <= kNarrowRows) {
    grow_all(growth, buffers.narrow, buffers, budget, max_cores);
  } else {
    grow_all(growth, buffers.wide, buffers, budget, max_cores);
  }
  if (task.row_values == nullptr) set_thresholds(task, buffers.nodes);
  if (limits.ccp_alpha > 0.0) prune(buffers.nodes, limits.ccp_alpha, weight);
  return pack(buffers.nodes, task.x.cols(), weight, task.n_classes,
              sums ? std::span<const double>{} : buffers.class_targets.distributions());
}

}  // namespace mutirao::models::internal
