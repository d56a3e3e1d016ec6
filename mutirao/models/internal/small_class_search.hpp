#pragma once

// Where a node of at most SmallClassTile::kRows rows is split, by the ranks of its features or at
// thresholds that are drawn. See Note [Small nodes of classes are masks] in small_class_tile.hpp.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

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

}  // namespace mutirao::models::internal
