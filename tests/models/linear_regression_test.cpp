#include "mutirao/models/linear_regression.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

using test::matrix_of;
using test::numbers_of;

double largest(const std::vector<double>& values) {
  double size = 0.0;
  for (const double value : values) size = std::max(size, std::abs(value));
  return size;
}

class LinearReference : public testing::TestWithParam<std::size_t> {};

TEST_P(LinearReference, GivesTheCoefficientsOfScikitLearn) {
  const nlohmann::json reference = test::reference("linear.json")["cases"][GetParam()];
  const std::string name = reference["name"];
  SCOPED_TRACE(name);
  const data::Matrix x = matrix_of(reference["x"]);
  const std::vector<double> y = numbers_of(reference["y"]);
  TrainingSet training{.x = x, .y = y};
  for (const auto& block : reference["blocks"])
    training.one_hot_blocks.push_back({block[0], block[1]});
  LinearRegression model;
  model.fit(training, {});

  const std::vector<double> expected = numbers_of(reference["coefficients"]);
  // A column that nearly depends on others has coefficients that the data hardly determine.
  const double near = name == "nearly_collinear_1e-8"   ? 1e-5
                      : name == "nearly_collinear_1e-6" ? 1e-7
                      : name == "polynomial"            ? 1e-7
                                                        : 1e-8;
  for (std::size_t j = 0; j < expected.size(); ++j)
    EXPECT_NEAR(model.coefficients()[j], expected[j], near * largest(expected)) << j;
  const std::vector<double> predictions = numbers_of(reference["predictions"]);
  const std::vector<double> seen = model.predict(x);
  // Offsets of 1e9 leave 1e-7 of a prediction's digits.
  const double range = name == "offset_1e9" ? 1e-6 : 1e-9;
  for (std::size_t i = 0; i < seen.size(); ++i)
    EXPECT_NEAR(seen[i], predictions[i], range * largest(y)) << i;
}

INSTANTIATE_TEST_SUITE_P(Cases, LinearReference, testing::Range(std::size_t{0}, std::size_t{13}),
                         [](const testing::TestParamInfo<std::size_t>& param) {
                           std::string name =
                               test::reference("linear.json")["cases"][param.param]["name"];
                           for (char& c : name)
                             c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
                           return name;
                         });

TEST(LinearRegression, FitsWithoutAnIntercept) {
  const nlohmann::json reference = test::reference("linear.json")["no_intercept"];
  LinearRegression model({.fit_intercept = false});
  model.fit(matrix_of(reference["x"]), numbers_of(reference["y"]));
  EXPECT_EQ(model.intercept(), 0.0);
  const std::vector<double> expected = numbers_of(reference["coefficients"]);
  for (std::size_t j = 0; j < expected.size(); ++j)
    EXPECT_NEAR(model.coefficients()[j], expected[j], 1e-10);
}

TEST(LinearRegression, WeighsRows) {
  const nlohmann::json reference = test::reference("linear.json")["weighted"];
  const data::Matrix x = matrix_of(reference["x"]);
  const std::vector<double> y = numbers_of(reference["y"]);
  const std::vector<double> weights = numbers_of(reference["weights"]);
  LinearRegression model;
  model.fit({.x = x, .y = y, .rows = {}, .sample_weight = weights, .one_hot_blocks = {}}, {});
  const std::vector<double> expected = numbers_of(reference["coefficients"]);
  for (std::size_t j = 0; j < expected.size(); ++j)
    EXPECT_NEAR(model.coefficients()[j], expected[j], 1e-10);
  EXPECT_NEAR(model.intercept(), reference["intercept"].get<double>(), 1e-10);
}

TEST(LinearRegression, ClimbsTheLadderAsTheColumnsComeCloserToEachOther) {
  const nlohmann::json cases = test::reference("linear.json")["cases"];
  const auto solver_of = [&](const std::string& name) {
    for (const auto& reference : cases) {
      if (reference["name"] != name) continue;
      LinearRegression model;
      model.fit(matrix_of(reference["x"]), numbers_of(reference["y"]));
      return model.solver();
    }
    return LinearRegression::Solver::kNone;
  };
  EXPECT_EQ(solver_of("well_conditioned"), LinearRegression::Solver::kCholesky);
  EXPECT_EQ(solver_of("nearly_collinear_1e-6"), LinearRegression::Solver::kCholeskyQr);
  EXPECT_EQ(solver_of("duplicated_columns"), LinearRegression::Solver::kSvd);
  EXPECT_EQ(solver_of("more_columns_than_rows"), LinearRegression::Solver::kSvd);
}

TEST(LinearRegression, LearnsFromTheGivenRowsOnly) {
  const test::Problem problem = test::friedman(500, 6, 1);
  std::vector<std::uint32_t> rows;
  for (std::uint32_t i = 0; i < 500; i += 3) rows.push_back(i);
  LinearRegression some;
  some.fit(
      {.x = problem.x, .y = problem.y, .rows = rows, .sample_weight = {}, .one_hot_blocks = {}},
      {});
  const test::Problem part = test::take(problem, rows);
  LinearRegression all;
  all.fit(part.x, part.y);
  for (std::size_t j = 0; j < 6; ++j)
    EXPECT_NEAR(some.coefficients()[j], all.coefficients()[j], 1e-12);
}

TEST(LinearRegression, IsTheSameForAnyNumberOfThreads) {
  const test::Problem problem = test::friedman(20000, 9, 2);
  std::vector<std::vector<double>> seen;
  for (const std::size_t cores : {1, 2, 3, 8}) {
    const test::Cores given(cores);
    LinearRegression model;
    model.fit(problem.x, problem.y, {.max_cores = cores});
    seen.push_back(model.coefficients());
    EXPECT_EQ(seen.back(), seen.front()) << cores << " cores";
  }
}

TEST(LinearRegression, NamesTheCellThatHasNoNumber) {
  test::Problem problem = test::friedman(50, 3, 1);
  problem.x.writable_column(2)[17] = std::numeric_limits<double>::quiet_NaN();
  LinearRegression model;
  try {
    model.fit(problem.x, problem.y);
    FAIL();
  } catch (const core::InvalidInput& error) {
    EXPECT_STREQ(error.what(), "column 2 has no value in row 17");
  }
  problem.x.writable_column(2)[17] = -std::numeric_limits<double>::infinity();
  try {
    model.fit(problem.x, problem.y);
    FAIL();
  } catch (const core::InvalidInput& error) {
    EXPECT_STREQ(error.what(), "column 2 is infinite in row 17");
  }
  EXPECT_FALSE(model.fitted());
}

TEST(LinearRegression, OfAConstantTargetIsThatConstant) {
  const test::Problem problem = test::friedman(50, 3, 1);
  LinearRegression model;
  model.fit(problem.x, std::vector<double>(50, 0.1));
  for (const double prediction : model.predict(problem.x)) EXPECT_NEAR(prediction, 0.1, 1e-16);
}

TEST(LinearRegression, OfOneRowIsItsTarget) {
  data::Matrix x(1, 2);
  x.writable_column(0)[0] = 3.0;
  LinearRegression model;
  model.fit(x, std::vector<double>{7.0});
  EXPECT_EQ(model.predict(x)[0], 7.0);
}

}  // namespace
}  // namespace mutirao::models
