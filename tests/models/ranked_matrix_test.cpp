#include "mutirao/models/ranked_matrix.hpp"

#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/archive.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

constexpr std::uint32_t kNew = RankedMatrix::kNewValue;

TEST(RankedMatrix, OrdersByValueThenRowWithMissingLast) {
  data::Matrix x(7, 1);
  const std::vector<double> values = {2.0,  std::numeric_limits<double>::quiet_NaN(), -0.0, 0.0,
                                      -7.5, std::numeric_limits<double>::quiet_NaN(), 2.0};
  std::copy(values.begin(), values.end(), x.writable_column(0).begin());
  const RankedMatrix ranked(x);
  EXPECT_EQ(std::vector<std::uint32_t>(ranked.order(0).begin(), ranked.order(0).end()),
            (std::vector<std::uint32_t>{4 | kNew, 2 | kNew, 3, 0 | kNew, 6, 1 | kNew, 5}));
  EXPECT_EQ(ranked.missing(0), 2u);
}

TEST(RankedMatrix, OrdersManyValuesOfAllSizes) {
  core::RandomStream stream({5});
  data::Matrix x(5000, 3);
  for (double& value : x.writable_column(0)) value = std::exp(80.0 * test::normal(stream));
  for (double& value : x.writable_column(1)) value = static_cast<double>(stream.below(10)) - 5.0;
  for (double& value : x.writable_column(2)) value = 1e300 * test::normal(stream);
  const RankedMatrix ranked(x);
  for (std::size_t j = 0; j < 3; ++j) {
    const auto order = ranked.order(j);
    for (std::size_t i = 1; i < order.size(); ++i) {
      const float before = to_float32(x.view()(order[i - 1] & ~kNew, j));
      const float here = to_float32(x.view()(order[i] & ~kNew, j));
      ASSERT_LE(before, here);
      ASSERT_EQ((order[i] & kNew) != 0, before != here);
    }
  }
}

TEST(RankedMatrix, TravelsToAnotherProcessWithoutACopy) {
  const test::Problem problem = test::friedman(100, 2, 1);
  RankedMatrix ranked(problem.x);
  core::Payload payload;
  core::OutputArchive out(payload);
  out(ranked);
  EXPECT_EQ(payload.attachments.size(), 1u);
  EXPECT_LT(payload.bytes.size(), 100u);
  core::InputArchive in(payload.bytes, payload.attachments);
  RankedMatrix arrived;
  in(arrived);
  EXPECT_EQ(arrived.order(1).data(), ranked.order(1).data());
  EXPECT_EQ(arrived.rows(), 100u);
  EXPECT_EQ(arrived.cols(), 2u);
}

}  // namespace
}  // namespace mutirao::models
