#include "mutirao/data/column_doubts.hpp"

#include <cmath>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mutirao::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string line(std::size_t row) { return fmt::format("line {}", row + 2); }

Column texts(const std::vector<std::optional<std::string>>& cells) {
  return text_column("c", cells);
}

TEST(ColumnDoubts, OrdinaryColumnsGiveNone) {
  EXPECT_THAT(doubts_about(number_column("n", std::vector<double>{1, NAN, 1e9}), line), IsEmpty());
  EXPECT_THAT(doubts_about(number_column("n", std::vector<double>{0.5, 1e16}), line), IsEmpty());
  EXPECT_THAT(doubts_about(texts({"red", "green", std::nullopt}), line), IsEmpty());
  EXPECT_THAT(doubts_about(texts({"1", "x", "2024-01-01"}), line), IsEmpty());
  EXPECT_THAT(doubts_about(texts({std::nullopt, std::nullopt}), line), IsEmpty());
}

TEST(ColumnDoubts, IntegersBeyond2To53AreRounded) {
  EXPECT_THAT(doubts_about(number_column("id", std::vector<double>{1, 9007199254740994.0}), line),
              ElementsAre(HasSubstr("column 'id' holds integers beyond 2^53")));
}

TEST(ColumnDoubts, NumbersWhoseSquaresOverflowAreNamed) {
  EXPECT_THAT(doubts_about(number_column("x", std::vector<double>{1, -1e308}), line),
              ElementsAre(HasSubstr("column 'x' holds values as large as 1e+308")));
}

TEST(ColumnDoubts, DatesOfAnotherFormatAreNamedByTheFirst) {
  EXPECT_THAT(doubts_about(texts({"2024-03-01", std::nullopt, "03/02/2024", "2024-03-03"}), line),
              ElementsAre(HasSubstr("most of it are dates, but line 4 holds '03/02/2024'")));
}

TEST(ColumnDoubts, OneWordAmongNumbersIsNamed) {
  EXPECT_THAT(doubts_about(texts({"1.5", "2", std::nullopt, "unknown", "4"}), line),
              ElementsAre(HasSubstr(
                  "'c' is read as text: most of it are numbers, but line 5 holds 'unknown'")));
}

TEST(ColumnDoubts, DatesAndNumbersOfOtherFormsAreNamed) {
  EXPECT_THAT(doubts_about(texts({"3/4/2024", "13/4/2024"}), line),
              ElementsAre(HasSubstr("it seems to hold dates, but line 2 holds '3/4/2024'")));
  EXPECT_THAT(doubts_about(texts({"$1,200", "$950"}), line),
              ElementsAre(HasSubstr("it seems to hold numbers, but line 2 holds '$1,200'")));
}

TEST(ColumnDoubts, TheFirstOddTextIsThatOfTheMinority) {
  EXPECT_EQ(first_odd_text(texts({"1", std::nullopt, "x", "2"})), 2u);
  EXPECT_EQ(first_odd_text(texts({"2024-01-01", "2024-01-02", "7"})), 2u);
  EXPECT_EQ(first_odd_text(number_column("n", std::vector<double>{1})), std::nullopt);
}

}  // namespace
}  // namespace mutirao::data
