#include "mutirao/data/splits.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/random.hpp"

namespace mutirao::data {
namespace {

constexpr std::uint64_t kSplitStream =
    0x73706c6974;  // keeps the splits apart from every other use of the seed

std::vector<std::uint32_t> shuffled(std::size_t rows, std::uint64_t seed) {
  std::vector<std::uint32_t> order(rows);
  std::iota(order.begin(), order.end(), 0u);
  core::RandomStream random({seed, kSplitStream});
  for (std::size_t i = rows; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

std::vector<Split> splits_of(std::span<const std::uint32_t> fold_of, std::size_t folds) {
  std::vector<Split> splits;
  for (std::uint32_t fold = 0; fold < folds; ++fold) splits.push_back(split_of(fold_of, fold));
  return splits;
}

void check(std::size_t rows, std::size_t folds) {
  if (folds < 2)
    throw core::InvalidArgument(fmt::format("{} folds are too few", folds), "use 2 folds or more");
  if (folds > rows) {
    throw core::InvalidArgument(fmt::format("{} folds are more than the {} rows", folds, rows),
                                "use fewer folds or more rows");
  }
}

}  // namespace

Split split_of(std::span<const std::uint32_t> fold_numbers, std::uint32_t fold) {
  Split split;
  for (std::size_t row = 0; row < fold_numbers.size(); ++row) {
    auto& side = fold_numbers[row] == fold ? split.test : split.train;
    side.push_back(static_cast<std::uint32_t>(row));
  }
  return split;
}

std::vector<std::uint32_t> k_fold_numbers(std::size_t rows, std::size_t folds, std::uint64_t seed) {
  check(rows, folds);
  const std::vector<std::uint32_t> order = shuffled(rows, seed);
  std::vector<std::uint32_t> fold_of(rows);
  std::size_t next = 0;
  for (std::size_t fold = 0; fold < folds; ++fold) {
    const std::size_t size = rows / folds + (fold < rows % folds ? 1 : 0);
    for (std::size_t i = 0; i < size; ++i)
      fold_of[order[next++]] = static_cast<std::uint32_t>(fold);
  }
  return fold_of;
}

std::vector<Split> k_fold(std::size_t rows, std::size_t folds, std::uint64_t seed) {
  return splits_of(k_fold_numbers(rows, folds, seed), folds);
}

std::vector<Split> stratified_k_fold(std::span<const std::uint32_t> classes, std::size_t folds,
                                     std::uint64_t seed) {
  check(classes.size(), folds);
  // Dealing the shuffled rows out class by class, without starting over, keeps classes and fold
  // sizes both even.
  std::vector<std::uint32_t> order = shuffled(classes.size(), seed);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return classes[a] < classes[b]; });
  std::vector<std::uint32_t> fold_of(classes.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    fold_of[order[i]] = static_cast<std::uint32_t>(i % folds);
  return splits_of(fold_of, folds);
}

std::vector<std::uint32_t> hold_out_numbers(std::size_t rows, double test_size,
                                            std::uint64_t seed) {
  if (!(test_size > 0.0 && test_size < 1.0)) {
    throw core::InvalidArgument(fmt::format("a test size of {} is no part of the rows", test_size),
                                "use a number between 0 and 1, for example 0.2");
  }
  const auto tested = static_cast<std::size_t>(std::ceil(static_cast<double>(rows) * test_size));
  if (tested == 0 || tested >= rows) {
    throw core::InvalidArgument(
        fmt::format("a test size of {} leaves no training rows out of {}", test_size, rows),
        "use a smaller test size or more rows");
  }
  const std::vector<std::uint32_t> order = shuffled(rows, seed);
  std::vector<std::uint32_t> numbers(rows, kNeverTested);
  for (std::size_t i = 0; i < tested; ++i) numbers[order[i]] = 0;
  return numbers;
}

Split hold_out(std::size_t rows, double test_size, std::uint64_t seed) {
  return split_of(hold_out_numbers(rows, test_size, seed), 0);
}

}  // namespace mutirao::data
