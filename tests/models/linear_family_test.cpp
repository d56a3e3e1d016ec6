// Ridge, Lasso and ElasticNet beyond their objectives, which convex_test.cpp looks at.

#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/elastic_net.hpp"
#include "mutirao/models/linear_regression.hpp"
#include "mutirao/models/ridge.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

void expect_near(const std::vector<double>& found, const std::vector<double>& expected,
                 double relative) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t j = 0; j < found.size(); ++j)
    EXPECT_NEAR(found[j], expected[j], relative * (1.0 + std::abs(expected[j]))) << j;
}

std::vector<double> fitted(Estimator& model, const TrainingSet& training) {
  model.fit(training, {});
  return dynamic_cast<LinearPredictor&>(model).coefficients();
}

TEST(Ridge, OfOneColumnIsTheFormula) {
  data::Matrix x(4, 1);
  const std::vector<double> values = {1.0, 2.0, 3.0, 6.0};
  std::copy(values.begin(), values.end(), x.writable_column(0).begin());
  Ridge ridge({.alpha = 2.0});
  ridge.fit(x, std::vector<double>{2.0, 3.0, 7.0, 8.0});
  // Centred: x = -2 -1 0 3, y = -3 -2 2 3.
  EXPECT_NEAR(ridge.coefficients()[0], (6.0 + 2.0 + 9.0) / (14.0 + 2.0), 1e-14);
  EXPECT_NEAR(ridge.intercept(), 5.0 - 3.0 * 17.0 / 16.0, 1e-14);
}

TEST(Ridge, WithoutPenaltyIsLinearRegression) {
  const test::Problem problem = test::friedman(200, 6, 3);
  LinearRegression line;
  line.fit(problem.x, problem.y);
  Ridge none({.alpha = 0.0});
  none.fit(problem.x, problem.y);
  EXPECT_EQ(none.coefficients(), line.coefficients());
  Ridge tiny({.alpha = 1e-12});
  tiny.fit(problem.x, problem.y);
  expect_near(tiny.coefficients(), line.coefficients(), 1e-10);
}

TEST(Ridge, SharesTheWeightOfEqualColumns) {
  const test::Problem problem = test::friedman(100, 2, 3);
  data::Matrix x(100, 4);
  for (std::size_t j = 0; j < 4; ++j) {
    const auto from = problem.x.column(j % 2);
    std::copy(from.begin(), from.end(), x.writable_column(j).begin());
  }
  for (const double alpha : {1e-12, 1e-6, 1.0}) {
    Ridge twice({.alpha = alpha});
    twice.fit(x, problem.y);
    Ridge once({.alpha = alpha / 2.0});
    once.fit(problem.x, problem.y);
    for (std::size_t j = 0; j < 4; ++j)
      EXPECT_NEAR(twice.coefficients()[j], once.coefficients()[j % 2] / 2.0, 1e-7) << alpha;
  }
}

TEST(Ridge, TakesMoreColumnsThanRows) {
  const test::Problem problem = test::friedman(20, 50, 4);
  Ridge ridge({.alpha = 1e-9});
  ridge.fit(problem.x, problem.y);
  const std::vector<double> seen = ridge.predict(problem.x);
  for (std::size_t i = 0; i < 20; ++i) EXPECT_NEAR(seen[i], problem.y[i], 1e-6);
  // The least of all that fit.
  LinearRegression least;
  least.fit(problem.x, problem.y);
  expect_near(ridge.coefficients(), least.coefficients(), 1e-6);
}

TEST(Ridge, WeightsAreRowsThatOccurMoreOften) {
  const test::Problem problem = test::friedman(60, 3, 5);
  std::vector<double> weights(60);
  std::vector<std::uint32_t> often;
  for (std::uint32_t i = 0; i < 60; ++i) {
    weights[i] = i % 4;
    for (std::uint32_t k = 0; k < i % 4; ++k) often.push_back(i);
  }
  const test::Problem repeated = test::take(problem, often);
  for (const double alpha : {0.0, 0.5}) {
    Ridge weighted({.alpha = alpha});
    Ridge plain({.alpha = alpha});
    expect_near(fitted(weighted, {.x = problem.x, .y = problem.y, .sample_weight = weights}),
                fitted(plain, {.x = repeated.x, .y = repeated.y}), 1e-10);
  }
}

TEST(Lasso, MakesCoefficientsZeroExactly) {
  const test::Problem problem = test::friedman(300, 20, 6);
  Lasso lasso({.alpha = 3.0});
  lasso.fit(problem.x, problem.y);
  std::size_t zeros = 0;
  for (const double b : lasso.coefficients()) zeros += b == 0.0 ? 1 : 0;
  EXPECT_GT(zeros, 10U);
  EXPECT_NE(lasso.coefficients()[3], 0.0);
  Lasso all({.alpha = 1e6});
  all.fit(problem.x, problem.y);
  EXPECT_EQ(all.coefficients(), std::vector<double>(20, 0.0));
}

TEST(ElasticNet, IsLassoAtOneEndAndRidgeAtTheOther) {
  const test::Problem problem = test::friedman(300, 8, 6);
  ElasticNet net({.alpha = 0.3, .l1_ratio = 1.0});
  net.fit(problem.x, problem.y);
  Lasso lasso({.alpha = 0.3});
  lasso.fit(problem.x, problem.y);
  EXPECT_EQ(net.coefficients(), lasso.coefficients());
  ElasticNet squares({.alpha = 0.3, .l1_ratio = 0.0});
  squares.fit(problem.x, problem.y);
  Ridge ridge({.alpha = 0.3 * 300.0});
  ridge.fit(problem.x, problem.y);
  expect_near(squares.coefficients(), ridge.coefficients(), 1e-12);
}

TEST(Lasso, WarnsWhenItHasNotConverged) {
  const test::Problem problem = test::friedman(100, 8, 6);
  std::string said;
  FitContext context;
  context.warn = [&](const std::string& message) { said = message; };
  Lasso lasso({.alpha = 1e-4, .max_iter = 1, .tol = 1e-12});
  lasso.fit({.x = problem.x, .y = problem.y}, context);
  EXPECT_EQ(said.find("lasso has not converged: after 1 passes"), 0U) << said;
  EXPECT_TRUE(lasso.fitted());
}

TEST(LinearFamily, TakesColumnsOfAnySize) {
  test::Problem problem = test::friedman(100, 3, 8);
  for (double& value : problem.x.writable_column(0)) value = value * 1e-9 + 1e6;
  for (double& value : problem.x.writable_column(1)) value *= 1e9;
  Ridge ridge({.alpha = 1e-30});
  ridge.fit(problem.x, problem.y);
  LinearRegression line;
  line.fit(problem.x, problem.y);
  for (std::size_t j = 0; j < 3; ++j)
    EXPECT_NEAR(ridge.coefficients()[j] / line.coefficients()[j], 1.0, 1e-5) << j;
}

TEST(LinearFamily, CoefficientsAreToldInTheUnitsOfTheTable) {
  const test::Problem problem = test::friedman(100, 3, 8);
  const std::vector<data::Standardization> columns = {
      {.mean = 5.0, .scale = 2.0}, {.mean = -1e3, .scale = 1e-3}, {}};
  data::Matrix standardised(100, 3);
  for (std::size_t j = 0; j < 3; ++j) {
    for (std::size_t i = 0; i < 100; ++i)
      standardised.writable_column(j)[i] =
          (problem.x.column(j)[i] - columns[j].mean) / columns[j].scale;
  }
  Ridge ridge;
  ridge.fit(standardised, problem.y);
  const LinearForm form = in_original_units(ridge, columns);
  const std::vector<double> seen = ridge.predict(standardised);
  for (std::size_t i = 0; i < 100; ++i) {
    double value = form.intercept;
    for (std::size_t j = 0; j < 3; ++j) value += form.coefficients[j] * problem.x.column(j)[i];
    EXPECT_NEAR(value, seen[i], 1e-7);
  }
  EXPECT_THROW(in_original_units(ridge, std::span(columns).first(2)), core::InvalidArgument);
}

TEST(LinearFamily, SaysThatNumbersAreTooLarge) {
  test::Problem problem = test::friedman(50, 3, 1);
  problem.x.writable_column(1)[7] = 1e308;
  Ridge ridge;
  Lasso lasso;
  for (Estimator* model : std::initializer_list<Estimator*>{&ridge, &lasso}) {
    try {
      model->fit(problem.x, problem.y);
      FAIL() << model->name();
    } catch (const core::InvalidInput& error) {
      EXPECT_STREQ(error.what(), "the numbers are too large for a linear model");
    }
    EXPECT_FALSE(model->fitted());
  }
}

TEST(LinearFamily, RefusesParametersOutOfRange) {
  EXPECT_THROW(Ridge({.alpha = -1.0}), core::InvalidArgument);
  EXPECT_THROW(Ridge({.alpha = std::numeric_limits<double>::quiet_NaN()}), core::InvalidArgument);
  EXPECT_THROW(Lasso({.max_iter = 0}), core::InvalidArgument);
  EXPECT_THROW(ElasticNet({.l1_ratio = 1.5}), core::InvalidArgument);
}

}  // namespace
}  // namespace mutirao::models
