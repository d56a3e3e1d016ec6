#include "mutirao/data/feature_encoder.hpp"

#include <cmath>
#include <limits>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mutirao::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::NanSensitiveDoubleEq;

const double kNaN = std::nan("");

std::vector<std::uint32_t> all_rows(const Table& table) {
  std::vector<std::uint32_t> rows(table.rows());
  std::iota(rows.begin(), rows.end(), 0u);
  return rows;
}

FeatureSelection features(std::vector<std::string> names,
                          std::vector<std::string> categorical = {}) {
  return {.features = std::move(names), .categorical = std::move(categorical), .columns = {}};
}

std::vector<double> column(const Matrix& matrix, std::size_t j) {
  const auto span = matrix.column(j);
  return {span.begin(), span.end()};
}

Column timestamps(std::string name, std::vector<double> seconds) {
  Column column = number_column(std::move(name), seconds);
  column.type = ColumnType::kTimestamp;
  return column;
}

Table mixed() {
  Table table;
  table.add(number_column("x", std::vector<double>{1, 3, kNaN, 100}));
  table.add(
      text_column("cut", std::vector<std::optional<std::string>>{"b", "a", std::nullopt, "z"}));
  return table;
}

TEST(FeatureEncoder, OneHotLearnsFromTrainingRowsOnly) {
  const Table table = mixed();
  const std::vector<std::uint32_t> training = {0, 1, 2};
  const auto encoder =
      FeatureEncoder::fit(table, features({"x", "cut"}), training, Encoding::kOneHot);
  EXPECT_THAT(encoder.feature_names(), ElementsAre("x", "cut=a", "cut=b", "cut=(missing)"));
  const Matrix matrix = encoder.transform(table);
  EXPECT_THAT(column(matrix, 0), ElementsAre(1, 3, 2, 100));  // the mean of 1 and 3
  EXPECT_THAT(column(matrix, 1), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(column(matrix, 2), ElementsAre(1, 0, 0, 0));
  EXPECT_THAT(column(matrix, 3), ElementsAre(0, 0, 1, 0));  // and the unseen 'z' is nowhere
  ASSERT_EQ(encoder.one_hot_blocks().size(), 1u);
  EXPECT_EQ(encoder.one_hot_blocks()[0].first, 1u);
  EXPECT_EQ(encoder.one_hot_blocks()[0].count, 3u);
}

TEST(FeatureEncoder, StandardizedNumbersHaveMeanZeroAndDeviationOneInTrainingRows) {
  const Table table = mixed();
  const std::vector<std::uint32_t> training = {0, 1, 2};
  const auto encoder =
      FeatureEncoder::fit(table, features({"x", "cut"}), training, Encoding::kStandardized);
  EXPECT_THAT(encoder.feature_names(), ElementsAre("x", "cut=a", "cut=b", "cut=(missing)"));
  const double scale = std::sqrt(2.0 / 3.0);  // of 1, 3 and 2 in place of what is missing
  const Matrix matrix = encoder.transform(table);
  EXPECT_THAT(column(matrix, 0), ElementsAre(-1.0 / scale, 1.0 / scale, 0.0, 98.0 / scale));
  EXPECT_THAT(column(matrix, 1), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(encoder.standardization(),
              ElementsAre(Standardization{.mean = 2.0, .scale = scale}, Standardization{},
                          Standardization{}, Standardization{}));
  EXPECT_EQ(encoder.one_hot_blocks().size(), 1u);
}

TEST(FeatureEncoder, StandardizesConstantsAndTheLargestNumbers) {
  const double most = std::numeric_limits<double>::max();
  Table table;
  table.add(number_column("constant", std::vector<double>{0.1, 0.1, kNaN, 0.1}));
  table.add(number_column("large", std::vector<double>{most, -most, most, -most}));
  table.add(number_column("far", std::vector<double>{1e15, 1e15 + 1, 1e15 + 2, 1e15 + 3}));
  table.add(number_column("one_sided", std::vector<double>{-most, -most, -most, most}));
  const Matrix matrix =
      FeatureEncoder::fit(table, features({"constant", "large", "far", "one_sided"}),
                          all_rows(table), Encoding::kStandardized)
          .transform(table);
  EXPECT_THAT(column(matrix, 0), ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(column(matrix, 1), ElementsAre(1, -1, 1, -1));
  EXPECT_NEAR(matrix.column(2)[3], 1.5 / std::sqrt(1.25), 1e-14);
  EXPECT_NEAR(matrix.column(3)[3], std::sqrt(3.0), 1e-14);
}

TEST(FeatureEncoder, CodesKeepMissingAndMakeTheUnseenMissing) {
  const Table table = mixed();
  const std::vector<std::uint32_t> training = {0, 1, 2};
  const auto encoder =
      FeatureEncoder::fit(table, features({"x", "cut"}), training, Encoding::kCodes);
  EXPECT_THAT(encoder.feature_names(), ElementsAre("x", "cut"));
  const Matrix matrix = encoder.transform(table);
  EXPECT_THAT(column(matrix, 0), ElementsAre(1, 3, NanSensitiveDoubleEq(kNaN), 100));
  EXPECT_THAT(column(matrix, 1),
              ElementsAre(1, 0, NanSensitiveDoubleEq(kNaN), NanSensitiveDoubleEq(kNaN)));
}

TEST(FeatureEncoder, FindsColumnsByNameInATableOfAnotherOrder) {
  const Table table = mixed();
  const auto encoder =
      FeatureEncoder::fit(table, features({"x", "cut"}), all_rows(table), Encoding::kOneHot);
  Table other;
  other.add(text_column("extra", std::vector<std::optional<std::string>>{"q"}));
  other.add(text_column("cut", std::vector<std::optional<std::string>>{"z"}));
  other.add(number_column("x", std::vector<double>{5}));
  const Matrix matrix = encoder.transform(other);
  EXPECT_EQ(matrix.column(0)[0], 5);
  EXPECT_EQ(matrix.column(3)[0], 1);  // cut=z
}

TEST(FeatureEncoder, ALackingColumnIsNamed) {
  const auto encoder =
      FeatureEncoder::fit(mixed(), features({"x", "cut"}), all_rows(mixed()), Encoding::kCodes);
  Table other;
  other.add(number_column("x", std::vector<double>{5}));
  try {
    encoder.transform(other);
    FAIL();
  } catch (const core::InvalidInput& error) {
    EXPECT_THAT(error.what(), HasSubstr("lacks the column 'cut'"));
  }
}

TEST(FeatureEncoder, TextWhereNumbersWereIsRefusedUnlessAllOfItIsMissing) {
  const auto encoder =
      FeatureEncoder::fit(mixed(), features({"x"}), all_rows(mixed()), Encoding::kCodes);
  Table other;
  other.add(text_column("x", std::vector<std::optional<std::string>>{"five"}));
  EXPECT_THROW(encoder.transform(other), core::InvalidInput);
  Table gone;
  gone.add(text_column("x", std::vector<std::optional<std::string>>{std::nullopt}));
  EXPECT_TRUE(std::isnan(encoder.transform(gone).column(0)[0]));
}

TEST(FeatureEncoder, OverAHundredLevelsTheCommonestHaveColumns) {
  std::vector<std::optional<std::string>> values;
  for (int level = 0; level < 150; ++level) {
    for (int i = 0; i < (level < 50 ? 1 : 2); ++i)
      values.push_back("level" + std::to_string(1000 + level));
  }
  Table table;
  table.add(text_column("t", values));
  const auto encoder =
      FeatureEncoder::fit(table, features({"t"}), all_rows(table), Encoding::kOneHot);
  EXPECT_EQ(encoder.width(), 101u);
  EXPECT_EQ(encoder.feature_names().front(), "t=level1050");
  EXPECT_EQ(encoder.feature_names().back(), "t=(other)");
  const Matrix matrix = encoder.transform(table);
  EXPECT_EQ(std::reduce(matrix.column(100).begin(), matrix.column(100).end()), 50.0);
  Table unseen;
  unseen.add(text_column("t", std::vector<std::optional<std::string>>{"never"}));
  const Matrix zeros = encoder.transform(unseen);
  for (std::size_t j = 0; j < zeros.cols(); ++j) EXPECT_EQ(zeros.column(j)[0], 0.0);
}

TEST(FeatureEncoder, TenThousandCategoriesAreCodesForTrees) {
  std::vector<std::optional<std::string>> values;
  for (int i = 0; i < 20000; ++i) values.push_back("c" + std::to_string(100000 + i % 10000));
  Table table;
  table.add(text_column("t", values));
  const auto encoder =
      FeatureEncoder::fit(table, features({"t"}), all_rows(table), Encoding::kCodes);
  const Matrix matrix = encoder.transform(table);
  EXPECT_EQ(matrix.column(0)[0], 0.0);
  EXPECT_EQ(matrix.column(0)[9999], 9999.0);
  EXPECT_EQ(matrix.column(0)[10001], 1.0);
}

TEST(FeatureEncoder, DatesBecomeTheirParts) {
  Table table;
  table.add(timestamps(
      "d", {1709251200.0, 1709294400.0, kNaN}));  // Friday 2024-03-01, at 00:00 and 12:00
  const auto encoder =
      FeatureEncoder::fit(table, features({"d"}), all_rows(table), Encoding::kCodes);
  EXPECT_THAT(encoder.feature_names(),
              ElementsAre("d.days", "d.year", "d.month", "d.weekday", "d.day_of_year", "d.hour"));
  const Matrix matrix = encoder.transform(table);
  const std::vector<double> expected = {19783, 2024, 3, 4, 61, 12};
  for (std::size_t part = 0; part < expected.size(); ++part) {
    EXPECT_EQ(matrix.column(part)[1], expected[part]) << encoder.feature_names()[part];
    EXPECT_TRUE(std::isnan(matrix.column(part)[2]));
  }
  const auto one_hot =
      FeatureEncoder::fit(table, features({"d"}), all_rows(table), Encoding::kOneHot);
  EXPECT_EQ(one_hot.transform(table).column(5)[2], 6.0);  // the mean hour
}

TEST(FeatureEncoder, DatesWithoutTimesHaveNoHour) {
  Table table;
  table.add(timestamps("d", {1709251200.0, 0.0, -86400.0}));
  const auto encoder =
      FeatureEncoder::fit(table, features({"d"}), all_rows(table), Encoding::kCodes);
  EXPECT_EQ(encoder.width(), 5u);
  EXPECT_EQ(encoder.transform(table).column(1)[2], 1969.0);
}

TEST(FeatureEncoder, NumbersCanBeCategories) {
  Table table;
  table.add(number_column("zip", std::vector<double>{20040, 1000, 20040}));
  const auto encoder =
      FeatureEncoder::fit(table, features({"zip"}, {"zip"}), all_rows(table), Encoding::kOneHot);
  EXPECT_THAT(encoder.feature_names(), ElementsAre("zip=1000", "zip=20040"));
  EXPECT_THAT(column(encoder.transform(table), 1), ElementsAre(1, 0, 1));
}

TEST(FeatureEncoder, StandsBesideOthersThatEncodeTheSameColumnsOtherwise) {
  const Table table = mixed();
  const FeatureSelection both = features({"x", "cut"});
  const std::vector<FeatureEncoder> parts = {
      FeatureEncoder::fit(table, both, all_rows(table), Encoding::kCodes),
      FeatureEncoder::fit(table, both, all_rows(table), Encoding::kStandardized),
      FeatureEncoder::fit(table, features({"x"}), all_rows(table), Encoding::kOneHot)};
  const auto encoder = FeatureEncoder::side_by_side(parts);
  EXPECT_THAT(encoder.feature_names(),
              ElementsAre("x", "cut", "x", "cut=a", "cut=b", "cut=z", "cut=(missing)", "x"));
  EXPECT_THAT(encoder.input_columns(), ElementsAre("x", "cut"));
  EXPECT_THAT(encoder.text_columns(), ElementsAre("cut"));
  ASSERT_EQ(encoder.one_hot_blocks().size(), 1u);
  EXPECT_EQ(encoder.one_hot_blocks()[0].first, 3u);

  core::Payload payload;
  core::OutputArchive{payload}(encoder);
  FeatureEncoder received;
  core::InputArchive{payload.bytes, payload.attachments}(received);
  EXPECT_EQ(received, encoder);
  const Matrix together = received.transform(table);
  std::size_t first = 0;
  for (const FeatureEncoder& part : parts) {
    const Matrix alone = part.transform(table);
    for (std::size_t j = 0; j < alone.cols(); ++j) {
      EXPECT_THAT(column(together, first + j),
                  testing::Pointwise(NanSensitiveDoubleEq(), column(alone, j)));
    }
    first += alone.cols();
  }
  EXPECT_EQ(first, together.cols());
}

TEST(FeatureEncoder, ComesBackFromItsBytes) {
  const Table table = mixed();
  const auto encoder =
      FeatureEncoder::fit(table, features({"x", "cut"}), all_rows(table), Encoding::kOneHot);
  core::Payload payload;
  core::OutputArchive{payload}(encoder);
  FeatureEncoder received;
  core::InputArchive{payload.bytes, payload.attachments}(received);
  EXPECT_EQ(received.feature_names(), encoder.feature_names());
  EXPECT_EQ(column(received.transform(table), 2), column(encoder.transform(table), 2));
}

}  // namespace
}  // namespace mutirao::data
