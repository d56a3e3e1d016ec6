#include "mutirao/models/dummy.hpp"

#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"

namespace mutirao::models {
namespace {

const std::vector<double> kX = {1.0, std::numeric_limits<double>::quiet_NaN(), 3.0, 4.0};
const data::MatrixView kView{.data = kX.data(), .rows = 4, .cols = 1, .column_stride = 4};

double constant_of(const char* strategy, const std::vector<double>& y,
                   const std::vector<double>& weights = {}) {
  DummyRegressor baseline({.strategy = strategy});
  baseline.fit({.x = kView, .y = y, .sample_weight = weights}, {});
  EXPECT_EQ(baseline.predict(kView), std::vector<double>(4, baseline.constant()));
  return baseline.constant();
}

TEST(DummyRegressor, PredictsTheMeanWhateverTheFeatures) {
  EXPECT_EQ(constant_of("mean", {1.0, 2.0, 3.0, 6.0}), 3.0);
  EXPECT_EQ(constant_of("mean", {1.0, 2.0, 3.0, 6.0}, {1.0, 0.0, 0.0, 4.0}), 5.0);
}

TEST(DummyRegressor, PredictsTheMedian) {
  EXPECT_EQ(constant_of("median", {1.0, 2.0, 4.0, 60.0}), 3.0);
  EXPECT_EQ(constant_of("median", {1.0, 2.0, 4.0, 60.0}, {2.0, 2.0, 2.0, 2.0}), 3.0);
  EXPECT_EQ(constant_of("median", {1.0, 2.0, 4.0, 60.0}, {1.0, 1.0, 1.0, 0.0}), 2.0);
  EXPECT_EQ(constant_of("median", {1.0, 2.0, 4.0, 60.0}, {1.0, 1.0, 1.0, 9.0}), 60.0);
}

TEST(DummyRegressor, HoldsTheLargestNumbers) {
  const double most = std::numeric_limits<double>::max();
  EXPECT_EQ(constant_of("mean", {most, most, most, most}), most);
  EXPECT_EQ(constant_of("mean", {most, -most, most, -most}), 0.0);
  EXPECT_EQ(constant_of("median", {most, most, most, most}), most);
}

TEST(DummyRegressor, RefusesAStrategyThatIsNotOffered) {
  try {
    DummyRegressor({.strategy = "mode"});
    FAIL();
  } catch (const core::InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "baseline.strategy: 'mode' is not offered");
    EXPECT_EQ(error.hint(), "strategy takes: text, mean, median");
  }
}

TEST(DummyClassifier, GivesTheSharesOfTheClasses) {
  DummyClassifier baseline;
  const std::vector<double> y = {0.0, 2.0, 2.0, 2.0};
  baseline.fit({.x = kView, .y = y, .n_classes = 4}, {});
  EXPECT_EQ(baseline.class_prior(), (std::vector<double>{0.25, 0.0, 0.75, 0.0}));
  EXPECT_EQ(baseline.predict(kView), std::vector<double>(4, 2.0));
  const std::vector<double> weights = {3.0, 1.0, 0.0, 0.0};
  baseline.fit({.x = kView, .y = y, .sample_weight = weights}, {});
  EXPECT_EQ(baseline.predict_proba(kView, std::vector<std::uint32_t>{1}),
            (std::vector<double>{0.75, 0.0, 0.25}));
}

TEST(DummyClassifier, GivesTheCommonestClassWhenAsked) {
  DummyClassifier baseline({.strategy = "most_frequent"});
  baseline.fit(kView, std::vector<double>{1.0, 0.0, 1.0, 0.0});
  EXPECT_EQ(baseline.class_prior(), (std::vector<double>{1.0, 0.0}));
}

}  // namespace
}  // namespace mutirao::models
