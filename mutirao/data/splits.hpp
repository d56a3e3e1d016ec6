#pragma once

// How rows are divided into training and test rows.
//
// Guarantees: a split depends on the number of rows, the options and the seed alone; every row is
// tested exactly once by k_fold. Thread safety: pure functions. Failure: core::InvalidArgument when
// there are fewer rows than folds, or fewer than two folds.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mutirao::data {

/// Row numbers, each list in increasing order.
struct Split {
  std::vector<std::uint32_t> train;
  std::vector<std::uint32_t> test;
};

/// k shuffled folds whose sizes differ by at most one (the first rows % folds are larger, as in
/// scikit-learn's KFold).
std::vector<Split> k_fold(std::size_t rows, std::size_t folds, std::uint64_t seed);

/// k shuffled folds in which every class has its share, to within one row. `classes`: the class of
/// each row, from 0.
std::vector<Split> stratified_k_fold(std::span<const std::uint32_t> classes, std::size_t folds,
                                     std::uint64_t seed);

/// One shuffled split; ceil(rows * test_size) rows are tested. Requires 0 < test_size < 1 and at
/// least one row on each side.
Split hold_out(std::size_t rows, double test_size, std::uint64_t seed);

}  // namespace mutirao::data
