#pragma once

// The columns of a matrix as integer ranks: what trees are grown on.
//
// Purpose: sorting happens once per data set; all tree models, all trees and all folds share the
// result, also between processes. Guarantees: exact: the ranks order a column as its values, cast
// to float32 as scikit-learn casts them, are ordered; equal values have equal ranks; NaN (missing)
// has none and comes last. Numbers beyond the range of float32 are taken as its ends. Memory: 5 to
// 8 bytes per number. Thread safety: immutable; any thread and process. Failure: core::InvalidInput
// for an infinity, with column and row; core::InvalidArgument for 2^31 rows or more. Lifetime: owns
// shared memory; x is not needed any more.
//
//   RankedMatrix ranked(x);
//   forest.fit({.x = x, .y = y, .ranked = &ranked}, {.seed = 0});

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <cereal/types/vector.hpp>

#include "mutirao/core/shared_array.hpp"
#include "mutirao/data/matrix.hpp"
#include "mutirao/exec/core_budget.hpp"

namespace mutirao::models {

class RankedMatrix {
 public:
  RankedMatrix() = default;
  /// Ranks every column of x: n_samples x n_features. `budget` null: the program's.
  explicit RankedMatrix(data::MatrixView x, exec::CoreBudget* budget = nullptr,
                        std::size_t max_cores = 0);

  std::size_t rows() const noexcept { return rows_; }
  std::size_t cols() const noexcept { return columns_.size(); }

  /// The bit of order() that says: this row's value is larger than that of the row before.
  static constexpr std::uint32_t kNewValue = 0x80000000U;

  /// Column j: the rows that have a value, in the order of their values (equal values in row
  /// order), then those that have none; kNewValue is set where a new value (or missing) begins.
  std::span<const std::uint32_t> order(std::size_t j) const noexcept {
    return order_.span().subspan(j * rows_, rows_);
  }
  /// How many rows of column j have no value: the last ones of order().
  std::size_t missing(std::size_t j) const noexcept { return columns_[j].missing; }
  /// The distinct values of column j, increasing.
  std::span<const float> values(std::size_t j) const noexcept {
    return values_.span().subspan(columns_[j].first_value, columns_[j].distinct);
  }
  /// The rank of the value at (row, j): an index into values(j), or values(j).size() when missing.
  std::uint32_t rank(std::size_t row, std::size_t j) const noexcept;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(rows_, columns_, order_, values_, ranks_);
  }

 private:
  struct Column {
    std::uint64_t first_value = 0;  // in values_
    std::uint64_t first_rank = 0;   // byte in ranks_
    std::uint64_t distinct = 0;
    std::uint64_t missing = 0;
    std::uint32_t rank_bytes = 1;  // 1, 2 or 4

    template <class Archive>
    void serialize(Archive& archive) {
      archive(first_value, first_rank, distinct, missing, rank_bytes);
    }
  };

  std::size_t rows_ = 0;
  std::vector<Column> columns_;
  core::SharedArray<std::uint32_t> order_;  // cols x rows
  core::SharedArray<float> values_;
  core::SharedArray<std::uint8_t> ranks_;  // every column 4-byte aligned
};

inline std::uint32_t RankedMatrix::rank(std::size_t row, std::size_t j) const noexcept {
  const Column& column = columns_[j];
  const std::uint8_t* first = ranks_.data() + column.first_rank;
  if (column.rank_bytes == 1) return first[row];
  if (column.rank_bytes == 2) return reinterpret_cast<const std::uint16_t*>(first)[row];
  return reinterpret_cast<const std::uint32_t*>(first)[row];
}

}  // namespace mutirao::models
