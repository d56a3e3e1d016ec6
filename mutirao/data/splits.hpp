#pragma once

// How rows are divided into training and test rows.
//
// A division is one number per row: the fold that tests it, or kNeverTested; split_of() makes the
// two lists of a fold from it. Guarantees: a division depends on the rows' number (their classes,
// groups or times), the options and the seed alone; every row is tested exactly once by folds that
// are not ordered by time. Thread safety: pure functions. Failure: core::InvalidArgument when there
// are fewer rows, groups or moments than folds need, or fewer than two folds.
//
//   std::vector<std::uint32_t> numbers = stratified_k_fold_numbers(classes, 5, seed);
//   Split first = split_of(numbers, 0);

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mutirao::data {

inline constexpr std::uint32_t kNeverTested = 0xffffffffU;

/// Row numbers, each list in increasing order.
struct Split {
  std::vector<std::uint32_t> train;
  std::vector<std::uint32_t> test;
};

/// What a fold learns from: all rows that it does not test, or of those only the rows that lie
/// before them, which are the never tested and those of the folds before.
enum class Learns : std::uint8_t { kFromAllOthers, kFromEarlier };

/// The rows that fold number `fold` tests, and those that it learns from.
Split split_of(std::span<const std::uint32_t> fold_numbers, std::uint32_t fold,
               Learns learns = Learns::kFromAllOthers);

/// Shuffled folds whose sizes differ by at most one (the first rows % folds are larger, as in
/// scikit-learn's KFold).
std::vector<std::uint32_t> k_fold_numbers(std::size_t rows, std::size_t folds, std::uint64_t seed);
/// Shuffled folds in which every class has its share, to within one row. `classes`: the class of
/// each row, from 0.
std::vector<std::uint32_t> stratified_k_fold_numbers(std::span<const std::uint32_t> classes,
                                                     std::size_t folds, std::uint64_t seed);
/// Folds that keep every group whole. Groups are dealt out from the largest on, equal ones
/// shuffled, each to the fold where classes (`classes` empty: rows) stay most even, in the manner
/// of scikit-learn's StratifiedGroupKFold. `groups`: the group of each row, from 0.
std::vector<std::uint32_t> group_k_fold_numbers(std::span<const std::uint32_t> groups,
                                                std::size_t folds, std::uint64_t seed,
                                                std::span<const std::uint32_t> classes = {});
/// Folds that test one stretch of time after the other, for Learns::kFromEarlier; the rows before
/// the first stretch are never tested. Stretches hold rows / (folds + 1) rows, as in scikit-learn's
/// TimeSeriesSplit, and rows of the same time are never parted.
std::vector<std::uint32_t> time_fold_numbers(std::span<const double> times, std::size_t folds);

/// For each row, 0 if it is tested, else kNeverTested: ceil(rows * test_size) shuffled rows.
/// Requires 0 < test_size < 1 and at least one row on each side.
std::vector<std::uint32_t> hold_out_numbers(std::size_t rows, double test_size, std::uint64_t seed);
/// The same, every class having its share, to within one row; a class of one row is learned from.
std::vector<std::uint32_t> stratified_hold_out_numbers(std::span<const std::uint32_t> classes,
                                                       double test_size, std::uint64_t seed);
/// The same of whole groups, as near to the share of the rows as shuffled groups come.
std::vector<std::uint32_t> group_hold_out_numbers(std::span<const std::uint32_t> groups,
                                                  double test_size, std::uint64_t seed);
/// The same of the latest rows; rows of the same time are never parted.
std::vector<std::uint32_t> time_hold_out_numbers(std::span<const double> times, double test_size);

/// The splits of the functions above, one after the other.
std::vector<Split> k_fold(std::size_t rows, std::size_t folds, std::uint64_t seed);
std::vector<Split> stratified_k_fold(std::span<const std::uint32_t> classes, std::size_t folds,
                                     std::uint64_t seed);
Split hold_out(std::size_t rows, double test_size, std::uint64_t seed);

}  // namespace mutirao::data
