#pragma once

// The columns of a matrix as integer ranks: what trees are grown on.
//
// Purpose: sorting happens once per data set; all tree models, all trees and all folds share the
// result, also between processes. Guarantees: exact: the ranks order a column as its values, cast
// to float32 as scikit-learn casts them, are ordered; equal values have equal ranks; NaN (missing)
// has none and comes last. Numbers beyond the range of float32 are taken as its ends. Memory: 4
// bytes per number; columns that are put in another order take as much again. Thread safety:
// immutable; any thread and process. Failure: core::InvalidInput
// for an infinity, with column and row; core::InvalidArgument for 2^31 rows or more. Lifetime: owns
// shared memory; x is not needed any more.
//
//   RankedMatrix ranked(x);
//   forest.fit({.x = x, .y = y, .ranked = &ranked}, {.seed = 0});

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <cereal/types/vector.hpp>

#include "mutirao/core/shared_array.hpp"
#include "mutirao/data/matrix.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/models/level_orders.hpp"

namespace mutirao::models {

class RankedMatrix {
 public:
  RankedMatrix() = default;
  /// Ranks every column of x: n_samples x n_features. `budget` null: the program's.
  explicit RankedMatrix(data::MatrixView x, exec::CoreBudget* budget = nullptr,
                        std::size_t max_cores = 0);
  /// `ranked`, the ranks of x, with the codes of categories ordered by their positions. The other
  /// columns are shared.
  RankedMatrix(const RankedMatrix& ranked, data::MatrixView x, const LevelOrders& levels);

  std::size_t rows() const noexcept { return rows_; }
  std::size_t cols() const noexcept { return missing_.size(); }

  /// The bit of order() that says: this row's value is larger than that of the row before. The
  /// rank of a row is the number of such bits up to it.
  static constexpr std::uint32_t kNewValue = 0x80000000U;

  /// Column j: the rows that have a value, in the order of their values (equal values in row
  /// order), then those that have none; kNewValue is set where a new value (or missing) begins.
  std::span<const std::uint32_t> order(std::size_t j) const noexcept {
    return place_.empty() || place_[j] == 0
               ? order_.span().subspan(j * rows_, rows_)
               : reordered_.span().subspan((place_[j] - 1) * rows_, rows_);
  }
  /// How many rows of column j have no value: the last ones of order().
  std::size_t missing(std::size_t j) const noexcept { return missing_[j]; }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(rows_, missing_, order_, place_, reordered_);
  }

 private:
  std::size_t rows_ = 0;
  std::vector<std::uint64_t> missing_;      // per column
  core::SharedArray<std::uint32_t> order_;  // cols x rows
  std::vector<std::uint32_t> place_;  // per column 1 + where it is in reordered_, or 0; or empty
  core::SharedArray<std::uint32_t> reordered_;
};

/// A number as trees see it: float32, beyond its range the nearest end; NaN stays NaN.
inline float to_float32(double value) noexcept {
  constexpr double kLimit = std::numeric_limits<float>::max();
  return static_cast<float>(value > kLimit ? kLimit : value < -kLimit ? -kLimit : value);
}

}  // namespace mutirao::models
