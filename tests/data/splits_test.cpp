#include "mutirao/data/splits.hpp"

#include <algorithm>
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

TEST(Splits, RefuseWhatCannotBeSplit) {
  EXPECT_THROW(k_fold(3, 4, 0), core::InvalidArgument);
  EXPECT_THROW(k_fold(3, 1, 0), core::InvalidArgument);
  EXPECT_THROW(hold_out(1, 0.5, 0), core::InvalidArgument);
  EXPECT_THROW(hold_out(10, 1.0, 0), core::InvalidArgument);
  EXPECT_THROW(hold_out(10, 0.0, 0), core::InvalidArgument);
}

}  // namespace
}  // namespace mutirao::data
