#include "mutirao/core/suggestion.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace mutirao::core {
namespace {

const std::vector<std::string> kColumns = {"carat", "cut", "color", "price"};

TEST(Suggestion, NamesTheColumnThatWasMeant) {
  EXPECT_EQ(nearest_name("prcie", kColumns), "price");
  EXPECT_EQ(nearest_name("Price", kColumns), "price");
  EXPECT_EQ(nearest_name("colour", kColumns), "color");
}

TEST(Suggestion, StaysSilentWhenNothingIsNear) {
  EXPECT_EQ(nearest_name("temperature", kColumns), std::nullopt);
  EXPECT_EQ(nearest_name("", {}), std::nullopt);
}

TEST(Suggestion, ListsWhatIsKnownWhenNothingIsNear) {
  EXPECT_EQ(suggestion("prise", kColumns), "did you mean 'price'?");
  EXPECT_EQ(suggestion("temperature", kColumns), "known: carat, cut, color, price");
  EXPECT_EQ(suggestion("temperature", kColumns, 2), "known: carat, cut and 2 more");
}

}  // namespace
}  // namespace mutirao::core
