#include "mutirao/models/metrics.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

TEST(Metrics, AreThoseOfScikitLearn) {
  for (const auto& expected : test::reference("metrics.json")) {
    const std::vector<double> truth = test::numbers_of(expected["truth"]);
    const std::vector<double> seen = test::numbers_of(expected["seen"]);
    for (const Metric& metric : metrics())
      EXPECT_NEAR(metric.compute(truth, seen), expected[metric.name], 1e-12) << metric.name;
  }
}

TEST(Metrics, AreNotDefinedWithoutRows) {
  for (const MetricValue& value : all_metrics({}, {})) EXPECT_TRUE(std::isnan(value.value));
}

TEST(Metrics, R2OfAConstantTargetIsNotDefined) {
  EXPECT_TRUE(std::isnan(r2_score(std::vector{2.0, 2.0}, std::vector{1.0, 3.0})));
  EXPECT_TRUE(std::isnan(r2_score(std::vector{2.0}, std::vector{2.0})));
}

TEST(Metrics, KnowTheirDirection) {
  EXPECT_TRUE(find_metric("r2").greater_is_better);
  EXPECT_FALSE(find_metric("rmse").greater_is_better);
  EXPECT_FALSE(find_metric("mae").greater_is_better);
}

TEST(Metrics, RefuseDifferentLengths) {
  EXPECT_THROW(r2_score(std::vector{1.0, 2.0}, std::vector{1.0}), core::InvalidArgument);
}

TEST(Metrics, AnUnknownNameGetsASuggestion) {
  try {
    find_metric("rmsee");
    FAIL();
  } catch (const core::InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "there is no metric 'rmsee'");
    EXPECT_NE(error.hint().find("rmse"), std::string::npos) << error.hint();
  }
}

}  // namespace
}  // namespace mutirao::models
