#include "mutirao/data/class_labels.hpp"

#include <cmath>
#include <optional>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"

namespace mutirao::data {
namespace {

using testing::ElementsAre;

Column booleans(const std::vector<double>& values) {
  Column column = number_column("b", values);
  column.type = ColumnType::kBoolean;
  column.integral = false;
  return column;
}

TEST(ClassLabels, TextIsInByteOrder) {
  const std::vector<std::optional<std::string>> cells = {"red", "Blue", std::nullopt, "red", "ant"};
  const ClassLabels labels = labels_of(text_column("c", cells));
  EXPECT_THAT(labels.names, ElementsAre("Blue", "ant", "red"));
  EXPECT_EQ(labels.type, ColumnType::kText);
  EXPECT_EQ(labels.find("red"), 2u);
  EXPECT_EQ(labels.find("green"), std::nullopt);
}

TEST(ClassLabels, NumbersAreInTheOrderOfTheirSize) {
  const ClassLabels labels =
      labels_of(number_column("n", std::vector<double>{10, 2, NAN, -1, 2, 0.5}));
  EXPECT_THAT(labels.names, ElementsAre("-1", "0.5", "2", "10"));
  EXPECT_EQ(labels.type, ColumnType::kNumber);
}

TEST(ClassLabels, FalseComesBeforeTrue) {
  EXPECT_THAT(labels_of(booleans({1, 0, 1})).names, ElementsAre("false", "true"));
}

TEST(ClassLabels, ALevelThatNoRowHoldsIsNoClass) {
  const std::vector<std::optional<std::string>> cells = {"a", "b", "c"};
  Table table;
  table.add(text_column("c", cells));
  const Table taken = table.take(std::vector<std::uint32_t>{0, 2, 0});
  const ClassLabels labels = labels_of(taken.columns()[0]);
  EXPECT_THAT(labels.names, ElementsAre("a", "c"));
  EXPECT_THAT(class_indices(taken.columns()[0], labels), ElementsAre(0u, 1u, 0u));
}

TEST(ClassLabels, IndicesAndLabelsAreEachOthersInverse) {
  const std::vector<std::optional<std::string>> cells = {"x", "y", "x"};
  for (const Column& column : {text_column("t", cells), booleans({1, 0, 1}),
                               number_column("t", std::vector<double>{5, -3, 5})}) {
    const ClassLabels labels = labels_of(column);
    const std::vector<std::uint32_t> indices = class_indices(column, labels);
    const Column back =
        label_column("t", labels, std::vector<double>(indices.begin(), indices.end()));
    EXPECT_EQ(back.type, column.type);
    EXPECT_EQ(back.integral, column.integral);
    for (std::size_t row = 0; row < 3; ++row) {
      if (column.type == ColumnType::kText) {
        EXPECT_EQ(back.levels[back.codes[row]], column.levels[column.codes[row]]);
      } else {
        EXPECT_EQ(back.numbers[row], column.numbers[row]);
      }
    }
  }
}

TEST(ClassLabels, MinusZeroIsZero) {
  const Column column = number_column("n", std::vector<double>{-0.0, 0.0, 1.0});
  const ClassLabels labels = labels_of(column);
  EXPECT_THAT(labels.names, ElementsAre("0", "1"));
  EXPECT_THAT(class_indices(column, labels), ElementsAre(0u, 0u, 1u));
}

TEST(ClassLabels, RefuseDatesAndThousandsOfClasses) {
  Column dates = number_column("d", std::vector<double>{0, 86400});
  dates.type = ColumnType::kTimestamp;
  EXPECT_THROW(labels_of(dates), core::InvalidInput);
  std::vector<double> many(kMostClasses);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<double>(i);
  EXPECT_EQ(labels_of(number_column("n", many)).size(), kMostClasses);
  many.push_back(-1.0);
  EXPECT_THROW(labels_of(number_column("n", many)), core::InvalidInput);
}

TEST(ClassLabels, RefuseWhatIsNoneOfTheClasses) {
  const Column column = number_column("n", std::vector<double>{1, 2});
  const ClassLabels labels = labels_of(column);
  EXPECT_THROW(class_indices(number_column("n", std::vector<double>{1, 3}), labels),
               core::InvalidInput);
  EXPECT_THROW(class_indices(number_column("n", std::vector<double>{1, NAN}), labels),
               core::InvalidInput);
  EXPECT_THROW(label_column("n", labels, std::vector<double>{2.0}), core::InvalidArgument);
  EXPECT_THROW(label_column("n", labels, std::vector<double>{NAN}), core::InvalidArgument);
}

}  // namespace
}  // namespace mutirao::data
