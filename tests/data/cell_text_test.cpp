#include "mutirao/data/cell_text.hpp"

#include <cmath>

#include <gtest/gtest.h>

namespace mutirao::data {
namespace {

TEST(CellText, NumbersMayHaveASignAndAnExponent) {
  EXPECT_EQ(number_in("1.5"), 1.5);
  EXPECT_EQ(number_in(" +2 "), 2.0);
  EXPECT_EQ(number_in("-3e8"), -3e8);
  EXPECT_TRUE(std::isinf(*number_in("1e999")));
  EXPECT_EQ(number_in("1e-999"), 0.0);
  for (const char* text : {"", " ", "1,5", "0x10", "1 2", "one", "1.5m"})
    EXPECT_EQ(number_in(text), std::nullopt) << text;
}

TEST(CellText, IntegersAreDigits) {
  for (const char* text : {"7", "-7", "+7", "12345678901234567890"}) EXPECT_TRUE(is_integer(text));
  for (const char* text : {"", "-", "7.0", "7e1"}) EXPECT_FALSE(is_integer(text));
}

TEST(CellText, BooleansAreWordsInAnyCase) {
  EXPECT_EQ(boolean_in("True"), 1.0);
  EXPECT_EQ(boolean_in("FALSE"), 0.0);
  EXPECT_EQ(boolean_in("yes"), std::nullopt);
}

TEST(CellText, TimestampsAreIso8601) {
  EXPECT_EQ(timestamp_in("1970-01-02"), 86400.0);
  EXPECT_EQ(timestamp_in("1970-01-01 01:30"), 5400.0);
  EXPECT_EQ(timestamp_in("1970-01-01T00:00:05.25Z"), 5.25);
  for (const char* text : {"", "03/04/2024", "2024-13-01", "2024-02-30", "2024-01-01T25:00",
                           "2024-01-01T10:00+02:00", "20240101", "2024-1-1"})
    EXPECT_EQ(timestamp_in(text), std::nullopt) << text;
}

TEST(CellText, DatesOfOtherFormsAreKnownWhenSeen) {
  for (const char* text : {"3/4/2024", "03.04.2024", "13-04-2024", " 2024/4/3 ", "2024-1-1",
                           "03/04/2024 10:15", "2024-01-01T10:00+02:00"})
    EXPECT_TRUE(is_date_of_other_form(text)) << text;
  for (const char* text : {"", "3/4/24", "1.2.3", "555-1234", "2024", "0/4/2024", "32/1/2024",
                           "3/4-2024", "3/4/2024x", "3//2024", "192.168.1.2000"})
    EXPECT_FALSE(is_date_of_other_form(text)) << text;
}

TEST(CellText, NumbersOfOtherFormsAreKnownWhenSeen) {
  for (const char* text :
       {"1,200", "$5.50", "-$5", "12%", "3,5", "1.200,75", "\xE2\x82\xAC 12", "12 \xE2\x82\xAC"})
    EXPECT_TRUE(is_number_of_other_form(text)) << text;
  for (const char* text : {"", "%", "$", "1-10", "3/4", "12 cm", ",5", "five"})
    EXPECT_FALSE(is_number_of_other_form(text)) << text;
}

}  // namespace
}  // namespace mutirao::data
