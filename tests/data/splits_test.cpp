#include "mutirao/data/splits.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"

namespace mutirao::data {
namespace {

void expect_partition(const std::vector<Split>& splits, std::size_t rows) {
  std::vector<std::uint32_t> tested;
  for (const Split& split : splits) {
    EXPECT_TRUE(std::is_sorted(split.train.begin(), split.train.end()));
    EXPECT_TRUE(std::is_sorted(split.test.begin(), split.test.end()));
    std::vector<std::uint32_t> all = split.train;
    all.insert(all.end(), split.test.begin(), split.test.end());
    std::sort(all.begin(), all.end());
    std::vector<std::uint32_t> every(rows);
    std::iota(every.begin(), every.end(), 0u);
    EXPECT_EQ(all, every);
    tested.insert(tested.end(), split.test.begin(), split.test.end());
  }
  EXPECT_EQ(tested.size(), rows);
}

TEST(Splits, EveryRowIsTestedOnce) {
  const auto splits = k_fold(103, 5, 0);
  expect_partition(splits, 103);
  EXPECT_EQ(splits[0].test.size(), 21u);
  EXPECT_EQ(splits[2].test.size(), 21u);
  EXPECT_EQ(splits[4].test.size(), 20u);
}

TEST(Splits, DependOnTheSeedAlone) {
  EXPECT_EQ(k_fold(100, 3, 7)[1].test, k_fold(100, 3, 7)[1].test);
  EXPECT_NE(k_fold(100, 3, 7)[1].test, k_fold(100, 3, 8)[1].test);
}

TEST(Splits, StratifiedFoldsHoldEveryClassInItsShare) {
  std::vector<std::uint32_t> classes(100, 0);
  std::fill(classes.begin() + 90, classes.end(), 1);
  const auto splits = stratified_k_fold(classes, 5, 3);
  expect_partition(splits, 100);
  for (const Split& split : splits) {
    EXPECT_EQ(std::count_if(split.test.begin(), split.test.end(),
                            [](std::uint32_t row) { return row >= 90; }),
              2);
  }
}

TEST(Splits, AHoldOutTestsTheGivenShare) {
  const Split split = hold_out(10, 0.25, 0);
  EXPECT_EQ(split.test.size(), 3u);
  EXPECT_EQ(split.train.size(), 7u);
}

TEST(Splits, OneNumberARowSaysTheSameAsTheListsOfRows) {
  for (const std::size_t rows : {2u, 7u, 100u, 1001u}) {
    for (const std::size_t folds : {2u, 5u, 7u}) {
      if (folds > rows) continue;
      const std::vector<std::uint32_t> numbers = k_fold_numbers(rows, folds, 11);
      const std::vector<Split> splits = k_fold(rows, folds, 11);
      ASSERT_EQ(numbers.size(), rows);
      ASSERT_EQ(splits.size(), folds);
      for (std::uint32_t fold = 0; fold < folds; ++fold) {
        for (const std::uint32_t row : splits[fold].test) EXPECT_EQ(numbers[row], fold);
        for (const std::uint32_t row : splits[fold].train) EXPECT_NE(numbers[row], fold);
        const Split split = split_of(numbers, fold);
        EXPECT_EQ(split.train, splits[fold].train);
        EXPECT_EQ(split.test, splits[fold].test);
      }
    }
  }
}

TEST(Splits, OneNumberARowSaysTheSameAsTheHoldOut) {
  for (const double test_size : {0.1, 0.25, 0.9}) {
    const std::vector<std::uint32_t> numbers = hold_out_numbers(40, test_size, 5);
    const Split split = hold_out(40, test_size, 5);
    ASSERT_EQ(numbers.size(), 40u);
    for (const std::uint32_t row : split.test) EXPECT_EQ(numbers[row], 0u);
    for (const std::uint32_t row : split.train) EXPECT_EQ(numbers[row], kNeverTested);
    EXPECT_EQ(split_of(numbers, 0).test, split.test);
    EXPECT_EQ(split_of(numbers, 0).train, split.train);
  }
}

TEST(Splits, AFoldThatTestsNothingTrainsOnAllRows) {
  const std::vector<std::uint32_t> numbers = {0, 1, 0};
  EXPECT_TRUE(split_of(numbers, 7).test.empty());
  EXPECT_EQ(split_of(numbers, 7).train, (std::vector<std::uint32_t>{0, 1, 2}));
  EXPECT_TRUE(split_of({}, 0).train.empty());
}

TEST(Splits, RefuseWhatCannotBeSplit) {
  EXPECT_THROW(k_fold_numbers(3, 4, 0), core::InvalidArgument);
  EXPECT_THROW(k_fold_numbers(3, 1, 0), core::InvalidArgument);
  EXPECT_THROW(hold_out_numbers(1, 0.5, 0), core::InvalidArgument);
  EXPECT_THROW(hold_out_numbers(10, std::nan(""), 0), core::InvalidArgument);
  EXPECT_THROW(k_fold(3, 4, 0), core::InvalidArgument);
  EXPECT_THROW(k_fold(3, 1, 0), core::InvalidArgument);
  EXPECT_THROW(hold_out(1, 0.5, 0), core::InvalidArgument);
  EXPECT_THROW(hold_out(10, 1.0, 0), core::InvalidArgument);
  EXPECT_THROW(hold_out(10, 0.0, 0), core::InvalidArgument);
}

}  // namespace
}  // namespace mutirao::data
