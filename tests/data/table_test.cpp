#include "mutirao/data/table.hpp"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mutirao::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Table small_table() {
  Table table;
  table.add(number_column("price", std::vector<double>{1, 2, std::nan("")}));
  table.add(
      text_column("cut", std::vector<std::optional<std::string>>{"Good", std::nullopt, "Fair"}));
  return table;
}

TEST(Table, TextHasItsLevelsInByteOrder) {
  const Table table = small_table();
  EXPECT_THAT(table.at("cut").levels, ElementsAre("Fair", "Good"));
  EXPECT_THAT(table.at("cut").codes.span(), ElementsAre(1u, kMissingCode, 0u));
}

TEST(Table, AnUnknownColumnSuggestsTheNearestName) {
  try {
    small_table().at("prise", "target");
    FAIL();
  } catch (const core::InvalidInput& error) {
    EXPECT_STREQ(error.what(), "there is no target 'prise' in the data");
    EXPECT_EQ(error.hint(), "did you mean 'price'?");
  }
}

TEST(Table, RefusesASecondColumnOfTheSameNameOrAnotherLength) {
  Table table = small_table();
  EXPECT_THROW(table.add(number_column("price", std::vector<double>{1, 2, 3})), core::InvalidInput);
  EXPECT_THROW(table.add(number_column("x", std::vector<double>{1, 2})), core::InvalidInput);
}

TEST(Table, AnInfinityIsRefusedWithColumnAndRow) {
  try {
    number_column("x", std::vector<double>{1, std::numeric_limits<double>::infinity()});
    FAIL();
  } catch (const core::InvalidInput& error) {
    EXPECT_THAT(error.what(), HasSubstr("column 'x' holds an infinity in row 2"));
  }
}

TEST(Table, TakesRowsInTheOrderGiven) {
  const Table taken = small_table().take(std::vector<std::uint32_t>{2, 0});
  EXPECT_EQ(taken.rows(), 2u);
  EXPECT_TRUE(taken.at("price").is_missing(0));
  EXPECT_EQ(taken.at("cut").levels[taken.at("cut").codes[1]], "Good");
}

TEST(Table, TravelsWithoutCopyingItsCells) {
  core::Payload payload;
  core::OutputArchive{payload}(small_table());
  EXPECT_EQ(payload.attachments.size(), 2u);
  Table received;
  core::InputArchive{payload.bytes, payload.attachments}(received);
  EXPECT_EQ(received.rows(), 3u);
  EXPECT_EQ(received.at("price").numbers.data(),
            reinterpret_cast<const double*>(payload.attachments[0]->data()));
}

}  // namespace
}  // namespace mutirao::data
