#include "mutirao/models/extra_trees.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/node_word.hpp"
#include "mutirao/models/metrics.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

template <class Trees>
std::vector<std::uint64_t> words_of(const Trees& trees) {
  return {trees.nodes().words().begin(), trees.nodes().words().end()};
}

TEST(ExtraTrees, AreTheSameForAnyNumberOfThreads) {
  const test::Problem problem = test::friedman(3000, 6, 4);
  std::vector<std::uint64_t> first;
  for (const std::size_t cores : {1, 2, 3, 8}) {
    const test::Cores given(cores);
    ExtraTreesRegressor trees({.n_estimators = 8});
    trees.fit(problem.x, problem.y, {.seed = 5, .max_cores = cores});
    if (first.empty()) first = words_of(trees);
    EXPECT_EQ(words_of(trees), first) << cores << " cores";
  }
}

TEST(ExtraTrees, DrawThresholdsUniformlyBetweenTheBounds) {
  // Two values, so the first threshold is anything between them and splits alike.
  data::Matrix x(2, 1);
  x.writable_column(0)[0] = 2.0;
  x.writable_column(0)[1] = 6.0;
  ExtraTreesRegressor trees({.n_estimators = 4000});
  trees.fit(x, std::vector<double>{0.0, 1.0});
  double mean = 0.0;
  double squares = 0.0;
  for (const TreeNodes::Root root : trees.nodes().roots()) {
    ASSERT_EQ(root.is_leaf, 0u);
    const double threshold = internal::NodeWord(trees.nodes().words()[root.first]).threshold();
    ASSERT_GE(threshold, 2.0);
    ASSERT_LT(threshold, 6.0);
    mean += threshold / 4000.0;
    squares += threshold * threshold / 4000.0;
  }
  EXPECT_NEAR(mean, 4.0, 0.08);
  EXPECT_NEAR(squares - mean * mean, 16.0 / 12.0, 0.08);
}

TEST(ExtraTrees, RememberEveryRowThatTheyCanTellApart) {
  const test::Problem problem = test::friedman(500, 5, 3);
  ExtraTreesRegressor trees({.n_estimators = 5});
  trees.fit(problem.x, problem.y);
  const std::vector<double> predictions = trees.predict(problem.x);
  for (std::size_t i = 0; i < 500; ++i) EXPECT_NEAR(predictions[i], problem.y[i], 1e-12);
}

TEST(ExtraTrees, TakeNumbersAtTheEndsOfFloat32) {
  data::Matrix x(4, 2);
  const std::vector<double> values = {-1e308, -1.0, 1.0, 1e308};
  std::copy(values.begin(), values.end(), x.writable_column(0).begin());
  ExtraTreesClassifier trees({.n_estimators = 10});
  const std::vector<double> y = {0, 1, 2, 1};
  trees.fit(x, y);
  EXPECT_EQ(trees.predict(x), y);
}

TEST(ExtraTrees, NameTheCellThatIsInfinite) {
  test::Problem problem = test::friedman(20, 3, 1);
  problem.x.writable_column(1)[4] = std::numeric_limits<double>::infinity();
  ExtraTreesRegressor trees;
  try {
    trees.fit(problem.x, problem.y);
    FAIL();
  } catch (const core::InvalidInput& error) {
    EXPECT_STREQ(error.what(), "column 1 has an infinite value in row 4");
  }
}

TEST(ExtraTrees, ScoreRowsOutOfBagWithBootstrap) {
  const test::Problem problem = test::friedman(1000, 5, 8);
  ExtraTreesRegressor trees({.n_estimators = 40, .bootstrap = true, .oob_score = true});
  trees.fit(problem.x, problem.y);
  EXPECT_GT(trees.oob_score(), 0.8);
  EXPECT_LT(trees.oob_score(), r2_score(problem.y, trees.predict(problem.x)));
  EXPECT_THROW(ExtraTreesRegressor({.oob_score = true}), core::InvalidArgument);
}

TEST(ExtraTrees, OfAWarmStartAreThoseOfOneFit) {
  const test::Problem problem = test::friedman(300, 5, 8);
  ExtraTreesRegressor warm({.n_estimators = 3, .warm_start = true});
  warm.fit(problem.x, problem.y, {.seed = 4});
  warm.set_n_estimators(9);
  warm.fit(problem.x, problem.y, {.seed = 4});
  ExtraTreesRegressor whole({.n_estimators = 9});
  whole.fit(problem.x, problem.y, {.seed = 4});
  EXPECT_EQ(words_of(warm), words_of(whole));
  EXPECT_EQ(warm.feature_importances(), whole.feature_importances());
}

}  // namespace
}  // namespace mutirao::models
