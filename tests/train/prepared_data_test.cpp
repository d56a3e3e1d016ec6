// What is made of the data before anything is trained: the task, the rows, the folds.

#include "mutirao/train/internal/prepared_data.hpp"

#include <cmath>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../data/temporary_folder.hpp"
#include "complaint.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/data/splits.hpp"

namespace mutirao::train::internal {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class Prepare : public testing::Test {
 protected:
  /// Rows of x, a group g of four rows each, a day d, a weight w and what `target` says.
  std::string data(std::size_t rows, const std::function<std::string(std::size_t)>& target) const {
    std::string csv = "x,g,d,w,y\n";
    for (std::size_t row = 0; row < rows; ++row) {
      csv += fmt::format("{},g{},2024-{:02}-{:02},{},{}\n", row * 37 % 101, row / 4,
                         1 + row / 28 % 12, 1 + row * 5 % 28, 1 + row % 3, target(row));
    }
    return folder_.write("t.csv", csv);
  }
  std::string words(std::size_t rows) const {
    return data(rows, [](std::size_t row) { return row % 3 == 0 ? "yes" : "no"; });
  }
  std::string numbers(std::size_t rows) const {
    return data(rows, [](std::size_t row) { return fmt::format("{}.5", row * 13 % 31); });
  }
  PreparedData prepared(const std::string& data,
                        const std::function<void(TrainConfig&)>& change = {}) const {
    TrainConfig config{.data = data, .target = "y"};
    if (change) change(config);
    return prepare(config);
  }
  std::string refusal(const std::string& data,
                      const std::function<void(TrainConfig&)>& change = {}) const {
    try {
      prepared(data, change);
    } catch (const core::Error& error) {
      EXPECT_TRUE(error.code() == core::ErrorCode::kInvalidInput ||
                  error.code() == core::ErrorCode::kInvalidArgument);
      return core::describe(error);
    }
    return "";
  }
  std::vector<data::Split> splits(const PreparedData& data, std::uint32_t folds) const {
    std::vector<data::Split> splits;
    for (std::uint32_t fold = 0; fold < folds; ++fold)
      splits.push_back(data::split_of(data.fold_numbers.span(), fold, data.learns));
    return splits;
  }

  data::TemporaryFolder folder_;
};

TEST_F(Prepare, TextIsClassificationAndSaysSo) {
  const PreparedData found = prepared(words(60));
  EXPECT_EQ(found.task, data::Task::kClassification);
  EXPECT_THAT(found.classes.names, ElementsAre("no", "yes"));
  EXPECT_EQ(found.positive, 1u);
  EXPECT_EQ(found.y[0], 1.0);
  EXPECT_EQ(found.y[1], 0.0);
  EXPECT_THAT(found.notes,
              ElementsAre("target 'y' holds text: this is classification (--task says otherwise)",
                          "the positive class, which f1 and roc_auc judge, is 'yes' (--positive "
                          "names the other)"));
}

TEST_F(Prepare, ATaskThatIsGivenIsNotGuessed) {
  const std::string few = data(200, [](std::size_t row) { return fmt::format("{}", row % 3); });
  EXPECT_EQ(prepared(few).task, data::Task::kClassification);
  const PreparedData asked =
      prepared(few, [](TrainConfig& config) { config.task = data::Task::kRegression; });
  EXPECT_EQ(asked.task, data::Task::kRegression);
  EXPECT_TRUE(asked.classes.empty());
  EXPECT_THAT(asked.notes, IsEmpty());
  EXPECT_EQ(asked.y[2], 2.0);
}

TEST_F(Prepare, WhatDoesNotGoWithTheGuessedTaskIsRefused) {
  EXPECT_THAT(refusal(words(60), [](TrainConfig& config) { config.metric = "r2"; }),
              StartsWith("the metric 'r2' is for regression, and this is classification\nhint: "));
  EXPECT_THAT(
      refusal(words(60), [](TrainConfig& config) { config.models = {"linear_regression"}; }),
      StartsWith("the model 'linear_regression' is for regression only\nhint: "));
  EXPECT_THAT(refusal(numbers(60), [](TrainConfig& config) { config.positive = "1.5"; }),
              StartsWith("--positive 1.5 names a class, and this is regression\nhint: "));
}

TEST_F(Prepare, ThePositiveClassIsTheOneThatIsNamed) {
  const auto named = [](const std::string& name) {
    return [name](TrainConfig& config) { config.positive = name; };
  };
  const PreparedData found = prepared(words(60), named("no"));
  EXPECT_EQ(found.positive, 0u);
  EXPECT_THAT(found.notes, Each(Not(HasSubstr("positive"))));
  EXPECT_EQ(refusal(words(60), named("yess")),
            "the target 'y' has no class 'yess'\nhint: did you mean 'yes'?");
  const std::string three =
      data(60, [](std::size_t row) { return std::string(1, static_cast<char>('a' + row % 3)); });
  EXPECT_THAT(refusal(three, named("a")),
              StartsWith("--positive a names one class of two, and the target 'y' has 3\nhint: "));
}

TEST_F(Prepare, ATargetOfOneClassLeavesNothingToLearn) {
  EXPECT_THAT(refusal(data(20, [](std::size_t) { return "same"; })),
              StartsWith("the target 'y' is 'same' in every row: there is nothing to learn\n"));
}

TEST_F(Prepare, ATargetWhoseClassesAreAllDifferentIsRefused) {
  EXPECT_EQ(refusal(data(30, [](std::size_t row) { return fmt::format("n{}", row); })),
            "no class of the target 'y' has 5 rows, as 5 folds need: the largest, 'n0', has 1\n"
            "hint: name a target of fewer classes, or say --task regression if it is a number");
}

TEST_F(Prepare, AClassOfFewRowsIsAWarning) {
  const PreparedData found = prepared(data(60, [](std::size_t row) {
    return row == 7 ? "once" : row % 20 == 3 ? "rare" : row % 2 == 0 ? "even" : "odd";
  }));
  EXPECT_THAT(found.warnings,
              Contains("some classes have too few rows for each of the 5 folds to test it: 'once' "
                       "(1 row), 'rare' (3 rows)"));
  EXPECT_THAT(found.warnings,
              Contains("some tested rows are of a class that no row to learn from has: 'once'"));
}

TEST_F(Prepare, FoldsOfClassesAreStratified) {
  for (const auto& split : splits(prepared(words(60)), 5)) {
    EXPECT_EQ(split.test.size(), 12u);
    EXPECT_EQ(std::count_if(split.test.begin(), split.test.end(),
                            [](std::uint32_t row) { return row % 3 == 0; }),
              4);
  }
  const PreparedData held =
      prepared(words(60), [](TrainConfig& config) { config.test_size = 0.25; });
  const auto split = splits(held, 1)[0];
  EXPECT_EQ(split.test.size(), 15u);
  EXPECT_EQ(std::count_if(split.test.begin(), split.test.end(),
                          [](std::uint32_t row) { return row % 3 == 0; }),
            5);
}

TEST_F(Prepare, GroupsStayTogetherAndAreNoFeature) {
  for (const bool hold_out : {false, true}) {
    for (const std::string& file : {words(60), numbers(60)}) {
      const PreparedData found = prepared(file, [&](TrainConfig& config) {
        config.group = "g";
        if (hold_out) config.test_size = 0.3;
      });
      EXPECT_THAT(found.selection.features, Not(Contains("g")));
      for (const auto& split : splits(found, hold_out ? 1 : 5)) {
        std::set<std::uint32_t> learned, tested;
        for (const std::uint32_t row : split.train) learned.insert(row / 4);
        for (const std::uint32_t row : split.test) {
          EXPECT_FALSE(learned.contains(row / 4));
          tested.insert(row / 4);
        }
        EXPECT_FALSE(tested.empty());
        EXPECT_EQ(split.train.size() + split.test.size(), 60u);
      }
    }
  }
}

TEST_F(Prepare, TooFewGroupsAreRefused) {
  EXPECT_THAT(refusal(numbers(12), [](TrainConfig& config) { config.group = "g"; }),
              StartsWith("5 folds need 5 groups, and there are 3\nhint: "));
}

TEST_F(Prepare, LaterRowsAreTestedByWhatWasLearnedFromEarlierOnes) {
  for (const bool hold_out : {false, true}) {
    const PreparedData found = prepared(numbers(120), [&](TrainConfig& config) {
      config.time = "d";
      if (hold_out) config.test_size = 0.3;
    });
    EXPECT_THAT(found.selection.features, Contains("d")) << "a time may be learned from";
    const auto times = found.table.at("d").numbers.span();
    for (const auto& split : splits(found, hold_out ? 1 : 5)) {
      double latest = -INFINITY, earliest = INFINITY;
      for (const std::uint32_t row : split.train) latest = std::max(latest, times[row]);
      for (const std::uint32_t row : split.test) earliest = std::min(earliest, times[row]);
      EXPECT_LT(latest, earliest);
    }
  }
}

TEST_F(Prepare, ATimeThatCannotBeOrderedIsNamedByItsLine) {
  const std::string mixed = folder_.write("m.csv",
                                          "x,d,y\n1,2024-01-01,1.5\n2,2024-01-02,2.5\n"
                                          "3,03/01/2024,0.5\n4,2024-01-04,3.5\n5,2024-01-05,2\n");
  EXPECT_EQ(refusal(mixed, [](TrainConfig& config) { config.time = "d"; }),
            "the time column 'd' is to hold dates or numbers, but line 4 holds '03/01/2024'\nhint: "
            "write dates as 2024-03-01 or 2024-03-01T12:30");
  const std::string gap =
      folder_.write("g.csv", "x,d,y\n1,2024-01-01,1.5\n2,,2.5\n3,2024-01-03,0.5\n");
  EXPECT_THAT(refusal(gap, [](TrainConfig& config) { config.time = "d"; }),
              StartsWith("the time column 'd' is missing in line 3\nhint: "));
  EXPECT_THAT(refusal(gap, [](TrainConfig& config) { config.group = "d"; }),
              StartsWith("the group column 'd' is missing in line 3\nhint: "));
}

TEST_F(Prepare, WeightsGoWithTheirRowsAndARowOfWeightZeroIsNotThere) {
  const std::string file = folder_.write(
      "w.csv", "x,w,y\n1,2,1.5\n2,0,2.5\n3,1.5,\n4,1,0.5\n5,3,2.25\n6,0,7\n7,1,4\n8,1,5\n");
  const PreparedData found = prepared(file, [](TrainConfig& config) {
    config.weight = "w";
    config.folds = 2;
  });
  EXPECT_THAT(std::vector<double>(found.weights.begin(), found.weights.end()),
              ElementsAre(2, 1, 3, 1, 1));
  EXPECT_THAT(std::vector<double>(found.y.begin(), found.y.end()),
              ElementsAre(1.5, 0.5, 2.25, 4, 5));
  EXPECT_THAT(std::vector<std::uint32_t>(found.source_rows.begin(), found.source_rows.end()),
              ElementsAre(0u, 3u, 4u, 6u, 7u));
  EXPECT_EQ(found.rows_dropped, 3u);
  EXPECT_THAT(found.selection.features, ElementsAre("x"));
  EXPECT_THAT(found.notes, Contains("1 of 8 rows are dropped: their target is missing"));
  EXPECT_THAT(found.notes, Contains("2 of 8 rows are dropped: their weight is 0"));
}

TEST_F(Prepare, WeightsThatAreNoneAreNamedByTheirLine) {
  const auto weighted = [](TrainConfig& config) { config.weight = "w"; };
  const auto table = [&](const std::string& third) {
    return folder_.write("w.csv", "x,w,y\n1,1,1.5\n2," + third + ",2.5\n3,1,0.5\n4,1,3.5\n");
  };
  EXPECT_EQ(refusal(table("-2"), weighted),
            "the weight column 'w' is -2 in line 3\nhint: weights are not negative; zero leaves a "
            "row out");
  EXPECT_THAT(refusal(table(""), weighted),
              StartsWith("the weight column 'w' is missing in line 3\nhint: "));
  EXPECT_THAT(refusal(table("much"), weighted),
              StartsWith("the weight column 'w' is to hold numbers, but line 3 holds 'much'\n"));
  EXPECT_THAT(refusal(folder_.write("z.csv", "x,w,y\n1,0,1.5\n2,0,2.5\n"), weighted),
              StartsWith("the weight column 'w' is 0 in every row that has a target\nhint: "));
  EXPECT_THAT(
      refusal(folder_.write("d.csv", "x,w,y\n1,2024-01-01,1.5\n2,2024-01-02,2.5\n"), weighted),
      StartsWith("the weight column 'w' holds dates, and is to hold numbers\nhint: "));
  EXPECT_EQ(refusal(table("1"), [](TrainConfig& config) { config.weight = "v"; }).substr(0, 28),
            "there is no weight column 'v");
  // A weight that is missing where the target is missing too is nobody's.
  const std::string gone =
      folder_.write("o.csv", "x,w,y\n1,1,1.5\n2,,\n3,1,0.5\n4,2,2.5\n5,1,2\n6,1,1\n");
  EXPECT_EQ(prepared(gone, weighted).rows_dropped, 1u);
}

TEST_F(Prepare, WhatIsOddAboutAColumnIsAWarning) {
  std::string csv = "x,big,huge,day,gone,y\n";
  for (int row = 0; row < 20; ++row) {
    csv += fmt::format(
        "{},{},{},{},,{}.5\n", row, 9007199254740993 + row, row == 3 ? "1e308" : "0.5",
        row == 5 ? "5.1.2024" : fmt::format("2024-01-{:02}", row % 9 + 1), row * 7 % 20);
  }
  const PreparedData found = prepared(folder_.write("odd.csv", csv));
  EXPECT_THAT(found.warnings,
              AllOf(Contains(HasSubstr("column 'big' holds integers beyond 2^53")),
                    Contains(HasSubstr("column 'huge' holds values as large as 1e+308")),
                    Contains(HasSubstr("column 'day' is read as text: most of it are dates, but "
                                       "line 7 holds '5.1.2024'"))));
  EXPECT_THAT(found.notes,
              Contains("column 'gone' is left out: missing in every row (--categorical keeps it)"));
}

TEST_F(Prepare, DatesOfACsvBecomeAllTheirFeatures) {
  std::string csv = "day,moment,y\n";
  for (int row = 0; row < 20; ++row)
    csv += fmt::format("2024-03-{:02},2023-12-{:02}T{:02}:30,{}.5\n", row + 1, row + 5, row, row);
  const PreparedData found = prepared(folder_.write("dates.csv", csv));
  EXPECT_THAT(found.codes_encoder.feature_names(),
              ElementsAre("day.days", "day.year", "day.month", "day.weekday", "day.day_of_year",
                          "moment.days", "moment.year", "moment.month", "moment.weekday",
                          "moment.day_of_year", "moment.hour"));
  const auto value = [&](std::size_t column) { return found.codes.view()(2, column); };
  EXPECT_EQ(value(0), 19785.0);  // 2024-03-03
  EXPECT_EQ(value(1), 2024.0);
  EXPECT_EQ(value(2), 3.0);
  EXPECT_EQ(value(3), 6.0);  // a Sunday
  EXPECT_EQ(value(4), 63.0);
  EXPECT_EQ(value(9), 341.0);  // 2023-12-07
  EXPECT_EQ(value(10), 2.0);
}

}  // namespace
}  // namespace mutirao::train::internal
