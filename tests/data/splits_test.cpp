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

/// Splits of all folds of a division.
std::vector<Split> splits_of(const std::vector<std::uint32_t>& numbers, std::uint32_t folds,
                             Learns learns = Learns::kFromAllOthers) {
  std::vector<Split> splits;
  for (std::uint32_t fold = 0; fold < folds; ++fold)
    splits.push_back(split_of(numbers, fold, learns));
  return splits;
}

TEST(Splits, AStratifiedHoldOutTestsEveryClassInItsShare) {
  std::vector<std::uint32_t> classes(100, 0);
  std::fill(classes.begin() + 60, classes.begin() + 95, 1);
  std::fill(classes.begin() + 95, classes.begin() + 99, 2);
  classes[99] = 3;  // a single row is learned from, never tested
  for (const std::uint64_t seed : {0U, 1U, 2U}) {
    const Split split = split_of(stratified_hold_out_numbers(classes, 0.25, seed), 0);
    EXPECT_EQ(split.test.size(), 25u);
    std::vector<int> tested(4);
    for (const std::uint32_t row : split.test) ++tested[classes[row]];
    EXPECT_EQ(tested[0], 15);
    EXPECT_NEAR(tested[1], 8.75, 1.0);
    EXPECT_EQ(tested[2], 1);
    EXPECT_EQ(tested[3], 0);
  }
  EXPECT_NE(stratified_hold_out_numbers(classes, 0.25, 0),
            stratified_hold_out_numbers(classes, 0.25, 1));
  EXPECT_THROW(stratified_hold_out_numbers(std::vector<std::uint32_t>{0, 1, 2}, 0.3, 0),
               core::InvalidArgument);
}

TEST(Splits, AGroupIsNeverOnBothSides) {
  std::vector<std::uint32_t> groups;
  for (std::uint32_t group = 0; group < 13; ++group)
    groups.insert(groups.end(), 1 + group * group % 17, group);
  for (const std::uint64_t seed : {0U, 1U, 2U}) {
    const auto splits = splits_of(group_k_fold_numbers(groups, 4, seed), 4);
    expect_partition(splits, groups.size());
    std::vector<std::size_t> sizes;
    for (const Split& split : splits) {
      for (const std::uint32_t row : split.test) {
        EXPECT_TRUE(std::none_of(split.train.begin(), split.train.end(), [&](std::uint32_t other) {
          return groups[other] == groups[row];
        }));
      }
      sizes.push_back(split.test.size());
    }
    const auto [least, most] = std::minmax_element(sizes.begin(), sizes.end());
    EXPECT_LE(*most - *least, 4u) << "folds of whole groups are as even as these groups allow";
  }
  EXPECT_NE(group_k_fold_numbers(groups, 4, 0), group_k_fold_numbers(groups, 4, 1));
}

TEST(Splits, GroupsAreDealtOutSoThatClassesStayEven) {
  // Groups of ten rows, half of them all of class 1.
  std::vector<std::uint32_t> groups, classes;
  for (std::uint32_t group = 0; group < 20; ++group) {
    groups.insert(groups.end(), 10, group);
    classes.insert(classes.end(), 10, group % 2);
  }
  for (const Split& split : splits_of(group_k_fold_numbers(groups, 5, 1, classes), 5)) {
    EXPECT_EQ(std::count_if(split.test.begin(), split.test.end(),
                            [&](std::uint32_t row) { return classes[row] == 1; }),
              20);
    EXPECT_EQ(split.test.size(), 40u);
  }
}

TEST(Splits, AsManyFoldsAsGroupsTestOneGroupEach) {
  const std::vector<std::uint32_t> groups = {0, 0, 0, 0, 0, 0, 1, 2, 2};
  for (const Split& split : splits_of(group_k_fold_numbers(groups, 3, 0), 3))
    EXPECT_FALSE(split.test.empty());
  EXPECT_THROW(group_k_fold_numbers(groups, 4, 0), core::InvalidArgument);
}

TEST(Splits, AHoldOutOfGroupsComesNearToTheShare) {
  std::vector<std::uint32_t> groups;
  for (std::uint32_t group = 0; group < 50; ++group) groups.insert(groups.end(), 2, group);
  const Split split = split_of(group_hold_out_numbers(groups, 0.3, 4), 0);
  EXPECT_EQ(split.test.size(), 30u);
  const std::vector<std::uint32_t> two = {0, 0, 0, 0, 1, 1, 1};
  const Split uneven = split_of(group_hold_out_numbers(two, 0.1, 0), 0);
  EXPECT_EQ(uneven.test, (std::vector<std::uint32_t>{4, 5, 6}));
  EXPECT_THROW(group_hold_out_numbers(std::vector<std::uint32_t>{0, 0, 0}, 0.5, 0),
               core::InvalidArgument);
}

TEST(Splits, TimeFoldsLearnFromWhatIsEarlierAlone) {
  std::vector<double> times;
  for (std::size_t row = 0; row < 23; ++row) times.push_back(static_cast<double>(row * 7 % 23));
  const std::vector<std::uint32_t> numbers = time_fold_numbers(times, 3);
  const auto splits = splits_of(numbers, 3, Learns::kFromEarlier);
  std::size_t learned = 23 - 3 * 5;  // as scikit-learn's TimeSeriesSplit(3) divides 23 rows
  for (const Split& split : splits) {
    EXPECT_EQ(split.train.size(), learned);
    EXPECT_EQ(split.test.size(), 5u);
    for (const std::uint32_t train : split.train) {
      for (const std::uint32_t test : split.test) EXPECT_LT(times[train], times[test]);
    }
    learned += 5;
  }
}

TEST(Splits, RowsOfTheSameTimeAreNeverParted) {
  const std::vector<double> times = {1, 1, 1, 1, 1, 1, 1, 2, 3, 3, 3, 4};
  for (const Split& split : splits_of(time_fold_numbers(times, 3), 3, Learns::kFromEarlier)) {
    ASSERT_FALSE(split.test.empty());
    ASSERT_FALSE(split.train.empty());
    for (const std::uint32_t train : split.train) {
      for (const std::uint32_t test : split.test) EXPECT_LT(times[train], times[test]);
    }
  }
  EXPECT_THROW(time_fold_numbers(times, 4), core::InvalidArgument);
}

TEST(Splits, AHoldOutByTimeTestsTheLatest) {
  const std::vector<double> times = {5, 1, 4, 4, 2, 3, 9, 8};
  EXPECT_EQ(split_of(time_hold_out_numbers(times, 0.25), 0).test,
            (std::vector<std::uint32_t>{6, 7}));
  // Four rows are wanted; two of them have the same time as a fifth.
  EXPECT_EQ(split_of(time_hold_out_numbers(times, 0.5), 0).test,
            (std::vector<std::uint32_t>{0, 2, 3, 6, 7}));
  EXPECT_EQ(split_of(time_hold_out_numbers(std::vector<double>{1, 2, 2, 2}, 0.25), 0).test,
            (std::vector<std::uint32_t>{1, 2, 3}));
  EXPECT_THROW(time_hold_out_numbers(std::vector<double>{2, 2, 2}, 0.5), core::InvalidArgument);
}

}  // namespace
}  // namespace mutirao::data
