#include "mutirao/models/permutation_importance.hpp"

#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/linear_regression.hpp"
#include "mutirao/models/metrics.hpp"
#include "mutirao/models/random_forest.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

double r2(std::span<const double> y_true, std::span<const double> y_pred) {
  return r2_score(y_true, y_pred);
}

/// Three columns, of which the target is a sum with these coefficients.
test::Problem sum_of_columns(const std::vector<double>& coefficients) {
  core::RandomStream stream({3});
  test::Problem problem{data::Matrix(4000, 3), std::vector<double>(4000, 0.0)};
  for (std::size_t j = 0; j < 3; ++j) {
    for (std::size_t i = 0; i < 4000; ++i) {
      const double value = test::normal(stream);
      problem.x.writable_column(j)[i] = value;
      problem.y[i] += coefficients[j] * value;
    }
  }
  return problem;
}

double variance(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  double mean = 0.0;
  for (const double value : values) mean += value / n;
  double result = 0.0;
  for (const double value : values) result += (value - mean) * (value - mean) / n;
  return result;
}

TEST(PermutationImportance, IsTwiceTheShareOfAColumnInTheVariance) {
  // The error of a shuffled column is that of two independent copies of it.
  const test::Problem problem = sum_of_columns({3.0, 4.0, 0.0});
  LinearRegression line;
  line.fit(problem.x, problem.y);
  const PermutationImportance found = permutation_importance(line, problem.x, problem.y, r2);
  EXPECT_NEAR(found.score, 1.0, 1e-12);
  // The variances are those of this sample; what is left is the chance of five shuffles.
  const double total = variance(problem.y);
  EXPECT_NEAR(found.mean[0], 2.0 * 9.0 * variance(problem.x.view().column(0)) / total, 0.04);
  EXPECT_NEAR(found.mean[1], 2.0 * 16.0 * variance(problem.x.view().column(1)) / total, 0.04);
  EXPECT_NEAR(found.mean[2], 0.0, 1e-12);
  EXPECT_GT(found.standard_deviation[0], 0.0);
  EXPECT_LT(found.standard_deviation[0], 0.05);
  EXPECT_EQ(found.importances.size(), 15u);
}

TEST(PermutationImportance, IsTheSameForAnyNumberOfThreads) {
  const test::Problem problem = test::friedman(400, 6, 2);
  RandomForestRegressor forest({.n_estimators = 5});
  forest.fit(problem.x, problem.y);
  std::vector<double> first;
  for (const std::size_t cores : {1, 2, 8}) {
    const test::Cores given(cores);
    const PermutationImportance found =
        permutation_importance(forest, problem.x, problem.y, r2, {.n_repeats = 3, .seed = 9});
    if (first.empty()) first = found.importances;
    EXPECT_EQ(found.importances, first) << cores << " cores";
  }
  EXPECT_NE(permutation_importance(forest, problem.x, problem.y, r2, {.n_repeats = 3}).importances,
            first);
}

TEST(PermutationImportance, RefusesWhatDoesNotFit) {
  const test::Problem problem = test::friedman(20, 3, 2);
  RandomForestRegressor forest({.n_estimators = 2});
  EXPECT_THROW(permutation_importance(forest, problem.x, problem.y, r2), core::InvalidArgument);
  forest.fit(problem.x, problem.y);
  EXPECT_THROW(permutation_importance(forest, problem.x, std::vector<double>(3), r2),
               core::InvalidArgument);
  EXPECT_THROW(permutation_importance(forest, problem.x, problem.y, r2, {.n_repeats = 0}),
               core::InvalidArgument);
}

}  // namespace
}  // namespace mutirao::models
