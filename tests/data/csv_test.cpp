#include "mutirao/data/csv.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/core/random.hpp"
#include "mutirao/data/source.hpp"
#include "temporary_folder.hpp"

namespace mutirao::data {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using Texts = std::vector<std::optional<std::string>>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Column column_of(ColumnType type, const std::string& name, const std::vector<double>& values) {
  Column column = number_column(name, values);
  column.type = type;
  column.integral = column.integral && type == ColumnType::kNumber;
  return column;
}

Texts texts_of(const Column& column) {
  Texts texts;
  for (std::size_t row = 0; row < column.rows(); ++row) {
    texts.push_back(column.is_missing(row) ? std::nullopt
                                           : std::optional(column.levels.at(column.codes[row])));
  }
  return texts;
}

class Csv : public testing::Test {
 protected:
  Table again(const Table& table) const {
    return read_table(folder_.write("t.csv", csv_of(table)), {.allow_no_rows = true});
  }
  Column again(const Column& column) const {
    // A second column, so that nothing rests on there being one alone.
    Table table;
    table.add(column);
    table.add(number_column("row", std::vector<double>(column.rows(), 1.0)));
    return again(table).at(column.name);
  }

  TemporaryFolder folder_;
};

void expect_same_bits(const Column& read, const std::vector<double>& written) {
  ASSERT_EQ(read.rows(), written.size());
  for (std::size_t row = 0; row < written.size(); ++row) {
    if (std::isnan(written[row])) {
      EXPECT_TRUE(read.is_missing(row)) << row;
    } else {
      EXPECT_EQ(std::memcmp(&read.numbers[row], &written[row], sizeof(double)), 0)
          << row << ": " << read.numbers[row] << " for " << written[row];
    }
  }
}

TEST_F(Csv, IsAHeaderAndTheRowsInOrder) {
  Table table;
  table.add(number_column("n", std::vector<double>{1.5, kNaN, -3.0}));
  table.add(text_column("t", Texts{"x", "a,\"b\"\nc", std::nullopt}));
  table.add(column_of(ColumnType::kBoolean, "b", {1.0, 0.0, kNaN}));
  table.add(column_of(ColumnType::kTimestamp, "d", {1709251200.0, 1709251200.5, kNaN}));
  EXPECT_EQ(csv_of(table),
            "n,t,b,d\n"
            "1.5,x,true,2024-03-01\n"
            ",\"a,\"\"b\"\"\nc\",false,2024-03-01T00:00:00.5\n"
            "-3,,,\n");
}

TEST_F(Csv, NumbersComeBackToTheLastBit) {
  using Limits = std::numeric_limits<double>;
  std::vector<double> values = {0.0,
                                -0.0,
                                0.1,
                                1.0 / 3.0,
                                -2.0 / 3.0,
                                1e22,
                                1e23,
                                123456789.123456789,
                                Limits::max(),
                                Limits::lowest(),
                                Limits::min(),
                                Limits::denorm_min(),
                                Limits::epsilon(),
                                9007199254740993.0,
                                kNaN};
  core::RandomStream random({1});
  while (values.size() < 5000) {
    const std::uint64_t bits = random.next();
    double value = 0.0;
    std::memcpy(&value, &bits, sizeof value);
    if (std::isfinite(value)) values.push_back(value);
  }
  const Column read = again(number_column("x", values));
  EXPECT_EQ(read.type, ColumnType::kNumber);
  EXPECT_FALSE(read.integral);
  expect_same_bits(read, values);
}

TEST_F(Csv, IntegersStayIntegers) {
  const std::vector<double> values = {
      0, 1, -1, 1e15, 9007199254740992.0, -9007199254740992.0, 123456.0, 1e6, kNaN};
  const Column read = again(number_column("i", values));
  EXPECT_TRUE(read.integral);
  expect_same_bits(read, values);
}

TEST_F(Csv, TextComesBackByteByByte) {
  const Texts texts = {"plain",
                       "a,b",
                       "semi;colon",
                       "bar|bar",
                       "tab\ttab",
                       "say \"this\"",
                       "\"",
                       "\"\"",
                       "a\"",
                       "two\nlines",
                       "windows\r\nlines",
                       "return\ralone",
                       "\n",
                       " leading",
                       "trailing ",
                       " ",
                       "#comment",
                       "'single'",
                       "back\\slash",
                       "caf\xc3\xa9",
                       std::nullopt,
                       "a text that is longer than twelve bytes",
                       "-",
                       "."};
  EXPECT_EQ(texts_of(again(text_column("t", texts))), texts);
}

TEST_F(Csv, WordsThatMeanMissingStayText) {
  const Texts texts = {"NA", "N/A",  "NaN", "null", "None",       "?",
                       "na", "NULL", "nan", " NA",  std::nullopt, "x"};
  EXPECT_EQ(texts_of(again(text_column("t", texts))), texts);
}

TEST_F(Csv, BooleansStayBooleans) {
  const Column read = again(column_of(ColumnType::kBoolean, "b", {1.0, 0.0, kNaN, 1.0}));
  EXPECT_EQ(read.type, ColumnType::kBoolean);
  expect_same_bits(read, {1.0, 0.0, kNaN, 1.0});
}

TEST_F(Csv, DatesStayDates) {
  const std::vector<double> days = {0.0, 86400.0, -86400.0, 1709251200.0, -2208988800.0, kNaN};
  const Column read = again(column_of(ColumnType::kTimestamp, "d", days));
  EXPECT_EQ(read.type, ColumnType::kTimestamp);
  expect_same_bits(read, days);
}

TEST_F(Csv, MomentsComeBackToTheLastBit) {
  const std::vector<double> moments = {1.0, -1.0, 0.5, -0.25, 86399.0, 1709294405.25, 1709294405.1,
                                       1709294405.000001, 1709294405.123456789,
                                       // the last double before the next second
                                       std::nextafter(1709294406.0, 0.0), kNaN};
  const Column read = again(column_of(ColumnType::kTimestamp, "d", moments));
  EXPECT_EQ(read.type, ColumnType::kTimestamp);
  expect_same_bits(read, moments);
}

TEST_F(Csv, ATableOfNoRowsIsItsHeader) {
  Table table;
  table.add(number_column("a", {}));
  table.add(number_column("b,c", {}));
  EXPECT_EQ(csv_of(table), "a,\"b,c\"\n");
  const Table read = again(table);
  EXPECT_EQ(read.rows(), 0u);
  EXPECT_THAT(read.names(), ElementsAre("a", "b,c"));
}

TEST_F(Csv, ATableOfNoColumnsIsAnEmptyHeader) { EXPECT_EQ(csv_of(Table()), "\n"); }

TEST_F(Csv, MissingCellsOfAnOnlyColumnAreRows) {
  Table numbers;
  numbers.add(number_column("x", std::vector<double>{kNaN, 1.5, kNaN, 2.5, kNaN}));
  expect_same_bits(again(numbers).at("x"), {kNaN, 1.5, kNaN, 2.5, kNaN});
  Table texts;
  texts.add(text_column("x", Texts{std::nullopt, "a", std::nullopt}));
  EXPECT_EQ(texts_of(again(texts).at("x")), (Texts{std::nullopt, "a", std::nullopt}));
}

TEST_F(Csv, OddColumnNamesComeBack) {
  const std::vector<std::string> names = {
      "",          "a b",  " a", "a ",          "a,b",         "a;b;c;d;e;f;g;h;i;j;k",
      "a|b",       "a\tb", "\"", "NA",          "?",           "1",
      "x",         "X",    "'",  "caf\xc3\xa9", "say \"x;y\"", "true",
      "2024-03-01"};
  Table table;
  for (std::size_t i = 0; i < names.size(); ++i)
    table.add(number_column(names[i], std::vector<double>{static_cast<double>(i), 0.5}));
  const Table read = again(table);
  EXPECT_THAT(read.names(), ElementsAreArray(names));
  for (std::size_t i = 0; i < names.size(); ++i)
    EXPECT_EQ(read.at(names[i]).numbers[0], static_cast<double>(i)) << names[i];
}

}  // namespace
}  // namespace mutirao::data
