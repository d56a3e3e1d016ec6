#include "mutirao/train/internal/inner_splits.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"

namespace mutirao::train::internal {
namespace {

/// So many rows of two columns: group, of four rows each, and time, two rows at each.
PreparedData data_of(std::size_t rows, data::Task task = data::Task::kRegression) {
  std::vector<double> group, time, y;
  for (std::size_t row = 0; row < rows; ++row) {
    group.push_back(static_cast<double>(row % ((rows + 3) / 4)));
    time.push_back(static_cast<double>((row * 7 % rows) / 2));
    y.push_back(task == data::Task::kRegression ? static_cast<double>(row)
                                                : static_cast<double>(row % 5 == 0));
  }
  PreparedData data;
  data.table.add(data::number_column("group", group));
  data.table.add(data::number_column("time", time));
  data.y = core::SharedArray<double>::copy_of(y);
  data.task = task;
  if (task == data::Task::kClassification) data.classes.names = {"a", "b"};
  return data;
}

/// Every third row is tested outside.
std::vector<std::uint32_t> rows_of(const PreparedData& data) {
  std::vector<std::uint32_t> rows;
  for (std::uint32_t row = 0; row < data.rows(); ++row) {
    if (row % 3 != 0) rows.push_back(row);
  }
  return rows;
}

TEST(InnerSplits, TestEveryRowThatIsLearnedFromOnceAndNoOther) {
  const PreparedData data = data_of(300);
  const std::vector<std::uint32_t> rows = rows_of(data);
  const std::vector<data::Split> splits = inner_splits({.seed = 1}, data, rows);
  EXPECT_EQ(splits.size(), kFoldsOfFew);
  std::vector<std::uint32_t> tested;
  for (const data::Split& split : splits) {
    std::vector<std::uint32_t> both = split.train;
    both.insert(both.end(), split.test.begin(), split.test.end());
    std::sort(both.begin(), both.end());
    EXPECT_EQ(both, rows);
    tested.insert(tested.end(), split.test.begin(), split.test.end());
  }
  std::sort(tested.begin(), tested.end());
  EXPECT_EQ(tested, rows);
}

TEST(InnerSplits, AreFewerWhereThereAreMoreRows) {
  const PreparedData data = data_of(3 * kManyRows / 2 + 3);
  std::vector<std::uint32_t> rows = rows_of(data);
  ASSERT_GE(rows.size(), kManyRows);
  const std::vector<data::Split> one = inner_splits({.seed = 1}, data, rows);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].test.size() + one[0].train.size(), rows.size());
  EXPECT_NEAR(static_cast<double>(one[0].test.size()),
              kInnerTestSize * static_cast<double>(rows.size()), 1.0);
  rows.resize(kFewRows);
  EXPECT_EQ(inner_splits({.seed = 1}, data, rows).size(), kFoldsOfSome);
  rows.resize(kFewRows - 1);
  EXPECT_EQ(inner_splits({.seed = 1}, data, rows).size(), kFoldsOfFew);
}

TEST(InnerSplits, GiveEveryClassItsShare) {
  const PreparedData data = data_of(300, data::Task::kClassification);
  for (const data::Split& split : inner_splits({.seed = 1}, data, rows_of(data))) {
    EXPECT_EQ(std::count_if(split.test.begin(), split.test.end(),
                            [&](std::uint32_t row) { return data.y[row] == 1.0; }),
              8);
  }
}

TEST(InnerSplits, KeepGroupsWhole) {
  const PreparedData data = data_of(300);
  const auto groups = data.table.at("group").numbers.span();
  for (const data::Split& split :
       inner_splits({.group = "group", .seed = 1}, data, rows_of(data))) {
    std::set<double> learned;
    for (const std::uint32_t row : split.train) learned.insert(groups[row]);
    for (const std::uint32_t row : split.test) EXPECT_FALSE(learned.contains(groups[row]));
    EXPECT_FALSE(split.test.empty());
  }
}

TEST(InnerSplits, TestWhatIsLaterThanWhatTheyLearnFrom) {
  for (const std::size_t size : {std::size_t{300}, 3 * kManyRows / 2 + 3}) {
    const PreparedData data = data_of(size);
    const auto times = data.table.at("time").numbers.span();
    const std::vector<data::Split> splits =
        inner_splits({.time = "time", .seed = 1}, data, rows_of(data));
    EXPECT_EQ(splits.size(), size == 300 ? kFoldsOfFew : 1);
    for (const data::Split& split : splits) {
      double latest = 0.0;
      for (const std::uint32_t row : split.train) latest = std::max(latest, times[row]);
      for (const std::uint32_t row : split.test) EXPECT_GT(times[row], latest);
    }
  }
}

TEST(InnerSplits, SayThatThereIsTooLittleToSplit) {
  const PreparedData data = data_of(8);
  const std::vector<std::uint32_t> rows = {0, 1, 2, 3};
  EXPECT_THROW(inner_splits({.seed = 1}, data, rows), core::InvalidArgument);
  EXPECT_THROW(inner_splits({.group = "group", .seed = 1}, data, rows), core::InvalidArgument);
}

}  // namespace
}  // namespace mutirao::train::internal
