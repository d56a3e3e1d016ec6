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

/// For each row, the fold that tests it: the splits of k_fold(), one number a row.
std::vector<std::uint32_t> k_fold_numbers(std::size_t rows, std::size_t folds, std::uint64_t seed);
/// For each row, 0 if hold_out() tests it, else kNeverTested.
std::vector<std::uint32_t> hold_out_numbers(std::size_t rows, double test_size, std::uint64_t seed);
inline constexpr std::uint32_t kNeverTested = 0xffffffffU;
/// The rows that fold number `fold` tests, and all others.
Split split_of(std::span<const std::uint32_t> fold_numbers, std::uint32_t fold);

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
