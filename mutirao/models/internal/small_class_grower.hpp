#pragma once

// Grows a tree of classes below nodes of at most SmallClassTile::kRows rows, depth first.
// See Note [Small nodes of classes are masks] in small_class_tile.hpp.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/class_targets.hpp"
#include "mutirao/models/internal/growth.hpp"
#include "mutirao/models/internal/row_tables.hpp"
#include "mutirao/models/internal/small_class_tile.hpp"

namespace mutirao::models::internal {

/// What is known of the rows of a small tile in each feature, as it is asked for.
template <class Number>
class SmallColumns {
 public:
  explicit SmallColumns(std::size_t features)
      : numbers_(features * SmallClassTile::kRows), known_(features, 0) {}

  /// Begins a new tile.
  void clear() {
    if (++tile_ != 0) return;
    std::fill(known_.begin(), known_.end(), 0U);
    tile_ = 1;
  }
  /// gather(out) writes the column, if it is not there yet.
  template <class Gather>
  const Number* column(std::size_t feature, Gather gather) {
    Number* const numbers = numbers_.data() + feature * SmallClassTile::kRows;
    if (known_[feature] != tile_) {
      gather(numbers);
      known_[feature] = tile_;
    }
    return numbers;
  }

 private:
  std::vector<Number> numbers_;
  std::vector<std::uint32_t> known_;  // the last tile that asked for it
  std::uint32_t tile_ = 0;
};

/// Where a small node is split.
struct SmallSplit {
  SmallClassCut cut;
  std::uint32_t below = 0;  ///< searches by rank: rows of x between whose values it lies
  std::uint32_t above = 0;
  float threshold = 0.0F;  ///< searches by value
};

/// The best of all thresholds of the features that a node looks at.
class SmallRankSearch {
 public:
  SmallRankSearch(const Growth& growth, const RowRanks& ranks, const SmallClassKernels* kernels)
      : growth_(growth), ranks_(ranks), kernels_(kernels), columns_(ranks.features()) {}

  void clear() { columns_.clear(); }

  /// Draws features and looks for their cuts: calls add(cut) for each that varies.
  template <class Add>
  void look(const SmallClassTile& tile, const SmallClassNode& node, NodeStream& stream,
            FeatureDraw& draw, Add add) {
    draw.choose(growth_.limits.max_features, stream, [&](std::size_t j) {
      SmallClassCut cut;
      if (!kernels_->best_cut(tile, column(tile, j), node, growth_.min_weight, cut)) return true;
      add(cut);
      return false;
    });
  }

  SmallSplit place(const SmallClassTile& tile, const SmallClassNode& node, std::size_t feature,
                   std::size_t /*at*/, const SmallClassCut& cut) {
    const SmallClassTile::Mask right = node.mask & ~cut.left & ~cut.missing;
    const SmallNeighbours rows =
        kernels_->neighbours(column(tile, feature), cut.left & ~cut.missing, right);
    return {.cut = cut,
            .below = tile.row[rows.below],
            .above = right == 0 ? kMissingAbove : tile.row[rows.above]};
  }

 private:
  const std::uint32_t* column(const SmallClassTile& tile, std::size_t feature) {
    return columns_.column(feature, [&](std::uint32_t* out) {
      ranks_.gather(tile.row.data(), tile.rows, feature, out);
    });
  }

  const Growth& growth_;
  const RowRanks& ranks_;
  const SmallClassKernels* kernels_;
  SmallColumns<std::uint32_t> columns_;
};

/// One threshold per feature, drawn between the least and the largest value in the node.
class SmallValueSearch {
 public:
  SmallValueSearch(const Growth& growth, const RowValues& values, const SmallClassKernels* kernels)
      : growth_(growth), values_(values), kernels_(kernels), columns_(values.features()) {}

  void clear() { columns_.clear(); }

  template <class Add>
  void look(const SmallClassTile& tile, const SmallClassNode& node, NodeStream& stream,
            FeatureDraw& draw, Add add) {
    bounds_.clear();
    thresholds_.clear();
    draw.choose(growth_.limits.max_features, stream, [&](std::size_t j) {
      SmallBounds bounds;
      if (!kernels_->bounds(column(tile, j), node.mask, bounds)) return true;
      bounds_.push_back(bounds);
      return false;
    });
    for (const SmallBounds& bounds : bounds_)
      thresholds_.push_back(drawn_threshold(bounds.least, bounds.most, stream.uniform()));
    for (std::size_t i = 0; i < bounds_.size(); ++i) {
      const SmallClassTile::Mask left =
          kernels_->up_to(column(tile, draw.chosen()[i]), node.mask, thresholds_[i]);
      SmallClassCut best = cut(tile, node, left);
      best.missing = bounds_[i].missing;
      if (best.missing != 0) {
        SmallClassCut with_missing = cut(tile, node, left | best.missing);
        with_missing.missing = best.missing;
        with_missing.missing_left = true;
        if (with_missing.score(node) > best.score(node)) best = with_missing;
      }
      add(best);
    }
  }

  SmallSplit place(const SmallClassTile& /*tile*/, const SmallClassNode& /*node*/,
                   std::size_t /*feature*/, std::size_t at, const SmallClassCut& cut) const {
    return {.cut = cut, .threshold = thresholds_[at]};
  }

 private:
  const float* column(const SmallClassTile& tile, std::size_t feature) {
    return columns_.column(feature, [&](float* out) {
      for (std::size_t i = 0; i < tile.rows; ++i) out[i] = values_.at(tile.row[i], feature);
    });
  }

  SmallClassCut cut(const SmallClassTile& tile, const SmallClassNode& node,
                    SmallClassTile::Mask mask) const {
    SmallClassNode left{.mask = mask};
    SmallClassNode right{.mask = node.mask & ~mask};
    if (left.mask == 0 || right.mask == 0) return {};
    kernels_->count(tile, left);
    kernels_->count(tile, right);
    if (left.weight < growth_.min_weight || right.weight < growth_.min_weight) return {};
    return {.value = static_cast<double>(left.squares) / left.weight +
                     static_cast<double>(right.squares) / right.weight,
            .left = mask};
  }

  const Growth& growth_;
  const RowValues& values_;
  const SmallClassKernels* kernels_;
  SmallColumns<float> columns_;
  std::vector<SmallBounds> bounds_;  // per feature that is looked at
  std::vector<float> thresholds_;
};

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
