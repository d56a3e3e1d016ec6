#pragma once

// Grows a tree of classes below nodes of at most SmallClassTile::kRows rows, depth first.
// See Note [Small nodes of classes are masks] in small_class_tile.hpp.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mutirao/models/internal/class_targets.hpp"
#include "mutirao/models/internal/growth.hpp"
#include "mutirao/models/internal/small_class_search.hpp"
#include "mutirao/models/internal/small_class_tile.hpp"

namespace mutirao::models::internal {

template <class Search>
class SmallClassGrower {
 public:
  template <class Table>
  SmallClassGrower(const Growth& growth, const Table& table, ClassTargets& targets,
                   std::vector<GrownNode>& nodes)
      : growth_(growth),
        targets_(targets),
        nodes_(nodes),
        kernels_(growth.limits.min_samples_leaf == 1 && growth.limits.max_leaf_nodes == 0 &&
                         targets.whole()
                     ? small_class_kernels(growth.task.instruction_set)
                     : nullptr),
        search_(growth, table, kernels_),
        draw_(table.features()) {}

  /// More rows than these are not for it.
  std::size_t most_rows() const noexcept { return kernels_ != nullptr ? SmallClassTile::kRows : 0; }

  /// Grows below a node that may be split; false, and nothing done, if it is none of these.
  bool grow(const std::uint32_t* rows, std::size_t n, const OpenNode& root) {
    if (n > most_rows() ||
        !tile_.load(rows, n, [&](std::uint32_t row) { return targets_.code_of(row); }))
      return false;
    search_.clear();
    Open top{.node = root, .rows = {}};
    top.node.first = 0;
    top.node.last = n;
    top.rows.mask = ~SmallClassTile::Mask{0} >> (SmallClassTile::kRows - n);
    kernels_->count(tile_, top.rows);
    open_.assign(1, top);
    while (!open_.empty()) {
      const Open open = open_.back();
      open_.pop_back();
      split(open);
    }
    return true;
  }

 private:
  struct Open {
    OpenNode node;
    SmallClassNode rows;
  };

  void split(const Open& open) {
    NodeStream stream(open.node.key);
    small_cuts_.clear();
    cuts_.clear();
    search_.look(tile_, open.rows, stream, draw_, [&](const SmallClassCut& cut) {
      small_cuts_.push_back(cut);
      cuts_.push_back({.score = cut.score(open.rows), .left = cut.left == 0 ? 0U : 1U});
    });
    const std::size_t best = draw_best(cuts_, stream, equals_);
    if (best == cuts_.size() || !growth_.worth(cuts_[best].score, open.node)) {
      leaf(open.node, open.rows);
      return;
    }
    const std::size_t feature = draw_.chosen()[best];
    apply(open, feature, cuts_[best].score,
          search_.place(tile_, open.rows, feature, best, small_cuts_[best]));
  }

  void apply(const Open& open, std::size_t feature, double score, const SmallSplit& split) {
    SmallClassNode left{.mask = split.cut.left};
    SmallClassNode right{.mask = open.rows.mask & ~split.cut.left};
    kernels_->count(tile_, left);
    kernels_->count(tile_, right);
    const std::size_t n_left = left.rows();
    const std::size_t n_right = right.rows();
    const Split cut{.feature = feature,
                    .cut = {.score = score,
                            .left = n_left,
                            .left_total = {.wy = 0.0, .w = static_cast<double>(left.weight)}}};
    const auto [left_node, right_node] =
        divide(growth_, nodes_, open.node, cut,
               {.n_left = n_left,
                .below = split.below,
                .above = split.above,
                .missing_left = split.cut.missing != 0 ? split.cut.missing_left : n_left > n_right,
                .right_total = {.wy = 0.0, .w = static_cast<double>(right.weight)}});
    nodes_[open.node.node].threshold = split.threshold;
    if (growth_.limits.ccp_alpha > 0.0)
      targets_.inner(growth_, nodes_[open.node.node], counts_of(open.rows));
    put(right_node, right);
    put(left_node, left);
  }

  void put(const OpenNode& node, const SmallClassNode& rows) {
    if (growth_.divisible(node) && !rows.pure()) {
      open_.push_back({node, rows});
    } else {
      leaf(node, rows);
    }
  }

  void leaf(const OpenNode& node, const SmallClassNode& rows) {
    targets_.leaf(growth_, nodes_[node.node], counts_of(rows));
  }

  ClassCounts counts_of(const SmallClassNode& rows) const noexcept {
    ClassCounts counts{.of = {}, .weight = rows.weight, .squares = rows.squares};
    for (std::size_t i = 0; i < tile_.words * SmallClassTile::kClassesPerWord; ++i) {
      if (rows.counts[i] != 0) counts.of[tile_.classes[i]] = rows.counts[i];
    }
    return counts;
  }

  const Growth& growth_;
  ClassTargets& targets_;
  std::vector<GrownNode>& nodes_;
  const SmallClassKernels* kernels_;
  Search search_;
  FeatureDraw draw_;
  SmallClassTile tile_;
  std::vector<Open> open_;
  std::vector<SmallClassCut> small_cuts_;  // per feature that is looked at
  std::vector<Cut> cuts_;
  std::vector<std::uint32_t> equals_;
};

}  // namespace mutirao::models::internal
