#include "mutirao/models/gradient_boosting.hpp"

#include <cmath>
#include <limits>
#include <stop_token>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/boosted_trees.hpp"
#include "mutirao/models/internal/xgboost.hpp"
#include "mutirao/models/metrics.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

class GradientBoosting : public testing::Test {
 protected:
  void SetUp() override {
    if (!internal::built_with_xgboost()) GTEST_SKIP() << "this build has no XGBoost";
  }
};

/// Three classes along the first column.
std::vector<double> classes_of(const data::Matrix& x) {
  std::vector<double> classes;
  for (const double value : x.column(0))
    classes.push_back(value < -0.5 ? 0.0 : value < 0.5 ? 1.0 : 2.0);
  return classes;
}

TEST_F(GradientBoosting, OneTreeOfOneSplitIsTheFormula) {
  data::Matrix x(8, 1);
  std::vector<double> y;
  for (std::size_t i = 0; i < 8; ++i) {
    x.writable_column(0)[i] = static_cast<double>(i);
    y.push_back(1000.0 + (i < 4 ? 0.0 : 10.0));
  }
  GradientBoostingRegressor model(
      {.n_estimators = 1, .learning_rate = 0.5, .max_depth = 1, .reg_lambda = 1.0});
  model.fit(x, y);
  // Around the mean of 1005: sums of 4 times -5 and 5, shrunk by 4 / (4 + lambda), then halved.
  const std::vector<double> seen = model.predict(x);
  for (std::size_t i = 0; i < 8; ++i)
    EXPECT_NEAR(seen[i], 1005.0 + (i < 4 ? -2.0 : 2.0), 1e-5) << i;
}

TEST_F(GradientBoosting, LearnsNumbersAndClasses) {
  const test::Problem train = test::friedman(2000, 6, 1);
  const test::Problem held_out = test::friedman(500, 6, 2);
  GradientBoostingRegressor regressor;
  regressor.fit(train.x, train.y);
  EXPECT_GT(r2_score(held_out.y, regressor.predict(held_out.x)), 0.9);
  GradientBoostingClassifier classifier({.n_estimators = 20});
  classifier.fit(train.x, classes_of(train.x));
  EXPECT_EQ(classifier.n_classes(), 3U);
  const std::vector<double> expected = classes_of(held_out.x);
  const std::vector<double> seen = classifier.predict(held_out.x);
  std::size_t right = 0;
  for (std::size_t i = 0; i < 500; ++i) right += seen[i] == expected[i] ? 1 : 0;
  EXPECT_GT(right, 490U);
}

TEST_F(GradientBoosting, SendsMissingValuesWhereTheyFit) {
  test::Problem problem = test::friedman(1000, 3, 3);
  for (std::size_t i = 0; i < 1000; ++i) {
    problem.y[i] = problem.x.column(0)[i] > 0.0 ? 1.0 : 0.0;
    if (problem.y[i] == 1.0 && i % 2 == 0)
      problem.x.writable_column(0)[i] = std::numeric_limits<double>::quiet_NaN();
  }
  GradientBoostingClassifier model({.n_estimators = 30});
  model.fit(problem.x, problem.y);
  EXPECT_EQ(model.predict(problem.x), problem.y);
}

TEST_F(GradientBoosting, FarAndHugeTargetsAreAsGoodAsSmallOnes) {
  const test::Problem problem = test::friedman(500, 5, 4);
  GradientBoostingRegressor model({.n_estimators = 50});
  model.fit(problem.x, problem.y);
  const double plain = r2_score(problem.y, model.predict(problem.x));
  for (const double factor : {1.0, 1e30, 1e300}) {
    std::vector<double> y = problem.y;
    for (double& value : y) value = factor == 1.0 ? value + 1e9 : value * factor;
    model.fit(problem.x, y);
    std::vector<double> seen = model.predict(problem.x);
    for (std::size_t i = 0; i < y.size(); ++i) {
      seen[i] = factor == 1.0 ? seen[i] - 1e9 : seen[i] / factor;
      y[i] = problem.y[i];
    }
    EXPECT_NEAR(r2_score(y, seen), plain, 0.01) << factor;
  }
}

TEST_F(GradientBoosting, TheSeedDrawsRowsAndFeatures) {
  const test::Problem problem = test::friedman(300, 5, 5);
  const auto predictions = [&](std::uint64_t seed) {
    GradientBoostingRegressor model(
        {.n_estimators = 10, .subsample = 0.5, .colsample_bytree = 0.5});
    model.fit(problem.x, problem.y, {.seed = seed});
    return model.predict(problem.x);
  };
  EXPECT_EQ(predictions(1), predictions(1));
  EXPECT_NE(predictions(1), predictions(2));
}

TEST_F(GradientBoosting, StopsBetweenRoundsAndStaysAsItWas) {
  const test::Problem problem = test::friedman(300, 5, 5);
  GradientBoostingRegressor model({.n_estimators = 1000});
  std::stop_source source;
  std::uint64_t last = 0;
  FitContext context;
  context.stop = source.get_token();
  context.progress = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_EQ(total, 1000U);
    last = done;
    if (done == 3) source.request_stop();
  };
  try {
    model.fit({.x = problem.x, .y = problem.y}, context);
    FAIL();
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kCancelled);
  }
  EXPECT_EQ(last, 3U);
  EXPECT_FALSE(model.fitted());
}

TEST_F(GradientBoosting, RefusesOneClassAndParametersOutOfRange) {
  const test::Problem problem = test::friedman(30, 2, 5);
  GradientBoostingClassifier model;
  EXPECT_THROW(model.fit(problem.x, std::vector<double>(30, 0.0)), core::InvalidInput);
  EXPECT_THROW(GradientBoostingRegressor({.learning_rate = 0.0}), core::InvalidArgument);
  EXPECT_THROW(GradientBoostingRegressor({.max_depth = 0}), core::InvalidArgument);
}

/// One tree: below 1 in column 0, 5; else 6.
std::vector<internal::BoostedNode> one_split() {
  return {{.value = 1.0F, .feature = 0, .left = 1}, {.value = 5.0F}, {.value = 6.0F}};
}

TEST(BoostedTrees, AreWalked) {
  const internal::BoostedTrees trees(1, 1, 2.0, 100.0, one_split(), {0});
  const std::vector<double> x = {0.0, 1.0, std::numeric_limits<double>::quiet_NaN(), -1e300};
  std::vector<double> out(4);
  trees.add_up({.data = x.data(), .rows = 4, .cols = 1, .column_stride = 4}, std::nullopt, out,
               exec::CoreBudget::current());
  EXPECT_EQ(out, (std::vector<double>{110.0, 112.0, 112.0, 110.0}));
}

TEST(BoostedTrees, AreRefusedWhenAWalkWouldLeaveThem) {
  const auto refused = [](std::vector<internal::BoostedNode> nodes,
                          std::vector<std::uint64_t> roots, std::size_t features = 1,
                          std::size_t outputs = 1) {
    EXPECT_THROW(
        internal::BoostedTrees(features, outputs, 1.0, 0.0, std::move(nodes), std::move(roots)),
        core::CorruptFile);
  };
  auto nodes = one_split();
  nodes[0].left = 2;  // the right child is behind the end
  refused(nodes, {0});
  nodes = one_split();
  nodes[0].left = 0xffffffffU;
  refused(nodes, {0});
  nodes = one_split();
  nodes[1].left = 1;  // a circle
  refused(nodes, {0});
  nodes = one_split();
  nodes[0].feature = 1;
  refused(nodes, {0});
  nodes = one_split();
  nodes[2].value = std::numeric_limits<float>::quiet_NaN();
  refused(nodes, {0});
  refused(one_split(), {1});
  refused(one_split(), {0, 0});
  refused(one_split(), {0, 3});
  refused(one_split(), {0}, 1, 2);
  refused(one_split(), {0}, 0);
  refused(one_split(), {});
}

}  // namespace
}  // namespace mutirao::models
