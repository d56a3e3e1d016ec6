#include "mutirao/data/feature_selection.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mutirao::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<double> counting(std::size_t rows, double first = 0) {
  std::vector<double> values(rows);
  for (std::size_t i = 0; i < rows; ++i) values[i] = first + static_cast<double>(i);
  return values;
}

std::vector<double> waves(std::size_t rows) {
  std::vector<double> values(rows);
  for (std::size_t i = 0; i < rows; ++i)
    values[i] = std::sin(static_cast<double>(i) * 12.9898) * 43758.5453;
  return values;
}

std::vector<std::optional<std::string>> texts(std::size_t rows, std::size_t distinct) {
  std::vector<std::optional<std::string>> values(rows);
  for (std::size_t i = 0; i < rows; ++i) values[i] = "t" + std::to_string(i % distinct);
  return values;
}

std::string why(const FeatureSelection& selection, const std::string& name) {
  for (const ColumnUse& use : selection.columns) {
    if (use.name == name) return use.why;
  }
  return "not there";
}

Table table_with_oddities() {
  Table table;
  table.add(number_column("", counting(100, 1)));
  table.add(number_column("x", waves(100)));
  table.add(number_column("same", std::vector<double>(100, 7.0)));
  table.add(text_column("name", texts(100, 100)));
  table.add(text_column("kind", texts(100, 3)));
  table.add(number_column("y", counting(100)));
  return table;
}

TEST(FeatureSelection, LeavesOutWhatCannotHelpAndSaysWhy) {
  const FeatureSelection selection = select_features(table_with_oddities(), {.target = "y"});
  EXPECT_THAT(selection.features, ElementsAre("x", "kind"));
  EXPECT_EQ(why(selection, ""), "row numbers");
  EXPECT_EQ(why(selection, "same"), "constant");
  EXPECT_EQ(why(selection, "name"), "text that is distinct in over 95% of the rows");
  EXPECT_EQ(why(selection, "y"), "target");
  EXPECT_EQ(why(selection, "x"), "");
}

TEST(FeatureSelection, CategoricalBringsAColumnBack) {
  const FeatureSelection selection =
      select_features(table_with_oddities(), {.target = "y", .categorical = {"name", "same"}});
  EXPECT_THAT(selection.features, ElementsAre("x", "same", "name", "kind"));
  EXPECT_THAT(selection.categorical, ElementsAre("same", "name"));
}

TEST(FeatureSelection, DroppedAndIdColumnsAreNoFeatures) {
  const FeatureSelection selection =
      select_features(table_with_oddities(), {.target = "y", .drop = {"x"}, .id = "name"});
  EXPECT_THAT(selection.features, ElementsAre("kind"));
  EXPECT_EQ(why(selection, "x"), "dropped");
  EXPECT_EQ(why(selection, "name"), "id");
}

TEST(FeatureSelection, AMissingValueIsAValueOfItsOwn) {
  Table table;
  std::vector<double> values(50, 1.0);
  values[3] = std::nan("");
  table.add(number_column("x", values));
  table.add(number_column("gone", std::vector<double>(50, std::nan(""))));
  table.add(number_column("y", counting(50)));
  EXPECT_THAT(select_features(table, {.target = "y"}).features, ElementsAre("x"));
}

TEST(FeatureSelection, UnknownNamesSuggestTheNearest) {
  for (const FeatureChoice& choice :
       {FeatureChoice{.target = "kimd"}, FeatureChoice{.target = "y", .drop = {"kimd"}},
        FeatureChoice{.target = "y", .id = "kimd"},
        FeatureChoice{.target = "y", .categorical = {"kimd"}}}) {
    try {
      select_features(table_with_oddities(), choice);
      FAIL();
    } catch (const core::InvalidInput& error) {
      EXPECT_THAT(error.what(), HasSubstr("'kimd'"));
      EXPECT_EQ(error.hint(), "did you mean 'kind'?");
    }
  }
}

TEST(FeatureSelection, NothingLeftIsAnError) {
  Table table;
  table.add(number_column("y", counting(10)));
  EXPECT_THROW(select_features(table, {.target = "y"}), core::InvalidInput);
}

TEST(FeatureSelection, AFeatureThatIsTheTargetInDisguiseIsFlagged) {
  Table table;
  std::vector<double> y = waves(200), doubled = y;
  for (double& value : doubled) value = 3 - 2 * value;
  table.add(number_column("disguise", doubled));
  table.add(number_column("x", counting(200)));
  table.add(number_column("y", y));
  const FeatureSelection selection = select_features(table, {.target = "y"});
  EXPECT_THAT(possible_leaks(table, selection, table.at("y").numbers.span()),
              ElementsAre("disguise"));
}

TEST(FeatureSelection, TextThatDecidesTheTargetIsFlaggedUnlessItNamesTheRows) {
  Table table;
  std::vector<double> y(200);
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<double>(i % 3);
  table.add(text_column("decides", texts(200, 3)));
  table.add(text_column("many", texts(200, 150)));
  table.add(number_column("y", y));
  const FeatureSelection selection = select_features(table, {.target = "y"});
  EXPECT_THAT(possible_leaks(table, selection, table.at("y").numbers.span()),
              ElementsAre("decides"));
}

TEST(FeatureSelection, AnHonestFeatureIsNotFlagged) {
  const Table table = table_with_oddities();
  EXPECT_THAT(
      possible_leaks(table, select_features(table, {.target = "y"}), table.at("y").numbers.span()),
      IsEmpty());
}

TEST(FeatureSelection, AFeatureThatTellsTheClassesApartIsFlagged) {
  for (const std::uint32_t n_classes : {2U, 3U}) {
    std::vector<std::uint32_t> classes(300);
    std::vector<double> shifted(300), noisy(300);
    std::vector<std::optional<std::string>> words(300), mixed(300);
    for (std::size_t i = 0; i < classes.size(); ++i) {
      classes[i] = static_cast<std::uint32_t>(i * 7 % n_classes);
      shifted[i] = 10.0 * classes[i] + static_cast<double>(i % 10) / 100.0;
      noisy[i] = classes[i] + static_cast<double>(i * 31 % 17) / 10.0;
      words[i] = std::string(1, static_cast<char>('a' + classes[i] + 5 * (i % 2)));
      mixed[i] = std::string(1, static_cast<char>('a' + (classes[i] + i % 10 / 9) % n_classes));
    }
    Table table;
    table.add(number_column("shifted", shifted));
    table.add(number_column("noisy", noisy));
    table.add(text_column("words", words));
    table.add(text_column("mixed", mixed));
    table.add(number_column("y", waves(300)));
    const FeatureSelection selection = select_features(table, {.target = "y"});
    EXPECT_THAT(possible_leaks_of_classes(table, selection, classes),
                ElementsAre("shifted", "words"))
        << n_classes;
  }
}

TEST(FeatureSelection, WeightsAndGroupsAreNoFeaturesAndEmptyColumnsSaySo) {
  Table table;
  table.add(number_column("w", counting(20)));
  table.add(number_column("g", counting(20)));
  table.add(number_column("x", waves(20)));
  table.add(number_column("gone", std::vector<double>(20, std::nan(""))));
  table.add(number_column("y", waves(20)));
  const FeatureSelection selection =
      select_features(table, {.target = "y", .weight = "w", .group = "g"});
  EXPECT_THAT(selection.features, ElementsAre("x"));
  std::vector<std::string> why;
  for (const ColumnUse& use : selection.columns) why.push_back(use.why);
  EXPECT_THAT(why, ElementsAre("weight", "group", "", "missing in every row", "target"));
}

TEST(TaskGuess, FollowsTheKindAndSpreadOfTheTarget) {
  EXPECT_EQ(infer_task(text_column("t", texts(10, 2))).task, Task::kClassification);
  EXPECT_EQ(infer_task(number_column("t", std::vector<double>{0.5, 1, 2})).task, Task::kRegression);
  EXPECT_EQ(infer_task(number_column("t", counting(1000))).task, Task::kRegression);
  std::vector<double> digits(1000);
  for (std::size_t i = 0; i < digits.size(); ++i) digits[i] = static_cast<double>(i % 10);
  EXPECT_EQ(infer_task(number_column("t", digits)).task, Task::kClassification);
  EXPECT_EQ(infer_task(number_column("t", std::span(digits).first(100))).task, Task::kRegression);
  EXPECT_EQ(infer_task(number_column("price", counting(1000))).because,
            "target 'price' holds integers, 1000 of them distinct");
}

}  // namespace
}  // namespace mutirao::data
