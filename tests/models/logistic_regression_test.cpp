#include "mutirao/models/logistic_regression.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/exponential.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

/// Normal columns; the class is told by the first two, not quite.
test::Problem classes(std::size_t rows, std::size_t cols, std::size_t n_classes) {
  core::RandomStream stream({rows, cols});
  test::Problem problem{data::Matrix(rows, cols), std::vector<double>(rows)};
  for (std::size_t j = 0; j < cols; ++j) {
    for (double& value : problem.x.writable_column(j)) value = test::normal(stream);
  }
  for (std::size_t i = 0; i < rows; ++i) {
    const double score =
        problem.x.column(0)[i] + 0.5 * problem.x.column(1 % cols)[i] + test::normal(stream);
    problem.y[i] = std::clamp(std::floor(score + 0.5 * static_cast<double>(n_classes)), 0.0,
                              static_cast<double>(n_classes - 1));
  }
  return problem;
}

/// The largest slope of C x loss + |coefficients|^2 / 2 at a model of three classes, C = 1.
double steepest(const LogisticRegression& model, const data::Matrix& x,
                const std::vector<double>& y) {
  const std::size_t p = x.cols();
  const data::MatrixView view = x;
  std::vector<long double> slopes(3 * (p + 1), 0.0L);
  for (std::size_t i = 0; i < y.size(); ++i) {
    std::vector<long double> scores(3);
    for (std::size_t c = 0; c < 3; ++c) {
      scores[c] = model.intercepts()[c];
      for (std::size_t j = 0; j < p; ++j) scores[c] += model.coefficients()[c * p + j] * view(i, j);
    }
    const long double top = *std::max_element(scores.begin(), scores.end());
    long double sum = 0.0L;
    for (const long double score : scores) sum += std::exp(score - top);
    for (std::size_t c = 0; c < 3; ++c) {
      const long double slope =
          std::exp(scores[c] - top) / sum - (static_cast<double>(c) == y[i] ? 1.0L : 0.0L);
      for (std::size_t j = 0; j < p; ++j) slopes[c * (p + 1) + j] += slope * view(i, j);
      slopes[c * (p + 1) + p] += slope;
    }
  }
  long double most = 0.0L;
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t j = 0; j < p; ++j) slopes[c * (p + 1) + j] += model.coefficients()[c * p + j];
  }
  for (const long double slope : slopes) most = std::max(most, std::abs(slope));
  return static_cast<double>(most);
}

TEST(Exponential, IsThatOfTheCLibrary) {
  core::RandomStream stream({1});
  for (int i = 0; i < 100000; ++i) {
    const double x = -std::exp(14.0 * stream.uniform() - 8.0);
    const double expected = x > -708.0 ? std::exp(x) : 0.0;
    EXPECT_NEAR(internal::exp_of_negative(x), expected, 4.5e-16 * expected) << x;
    const double y = std::exp(60.0 * stream.uniform() - 50.0);
    EXPECT_NEAR(internal::log_of_one_plus(y), std::log1p(y), 9e-16 * std::log1p(y)) << y;
  }
  EXPECT_EQ(internal::exp_of_negative(0.0), 1.0);
  EXPECT_EQ(internal::exp_of_negative(-std::numeric_limits<double>::infinity()), 0.0);
  EXPECT_EQ(internal::log_of_one_plus(0.0), 0.0);
}

TEST(LogisticRegression, GivesProbabilitiesThatSumToOne) {
  for (const std::size_t k : {2, 3, 7}) {
    const test::Problem problem = classes(300, 4, k);
    LogisticRegression model;
    model.fit(problem.x, problem.y);
    EXPECT_EQ(model.n_classes(), k);
    const std::vector<double> probabilities = model.predict_proba(problem.x);
    const std::vector<double> predicted = model.predict(problem.x);
    std::size_t right = 0;
    for (std::size_t i = 0; i < 300; ++i) {
      double sum = 0.0;
      for (std::size_t c = 0; c < k; ++c) sum += probabilities[i * k + c];
      EXPECT_NEAR(sum, 1.0, 1e-14);
      right += predicted[i] == problem.y[i] ? 1 : 0;
    }
    EXPECT_GT(right, k == 2 ? 200U : 100U);
  }
}

TEST(LogisticRegression, WeightsAreRowsThatOccurMoreOften) {
  const test::Problem problem = classes(90, 3, 3);
  std::vector<double> weights(90);
  std::vector<std::uint32_t> often;
  for (std::uint32_t i = 0; i < 90; ++i) {
    weights[i] = i % 4;
    for (std::uint32_t n = 0; n < i % 4; ++n) often.push_back(i);
  }
  const test::Problem repeated = test::take(problem, often);
  LogisticRegression weighted;
  weighted.fit({.x = problem.x, .y = problem.y, .sample_weight = weights}, {});
  LogisticRegression plain;
  plain.fit(repeated.x, repeated.y);
  for (std::size_t j = 0; j < plain.coefficients().size(); ++j)
    EXPECT_NEAR(weighted.coefficients()[j], plain.coefficients()[j], 1e-7);
}

TEST(LogisticRegression, FarFromZeroIsAsNearIt) {
  test::Problem problem = classes(200, 3, 2);
  LogisticRegression near;
  near.fit(problem.x, problem.y);
  for (double& value : problem.x.writable_column(0)) value += 1e7;
  LogisticRegression far;
  far.fit(problem.x, problem.y);
  for (std::size_t j = 0; j < 3; ++j)
    EXPECT_NEAR(far.coefficients()[j], near.coefficients()[j], 1e-7);
}

TEST(LogisticRegression, GivesClassesWithoutRowsNoProbability) {
  const test::Problem problem = classes(100, 2, 2);
  std::vector<double> y;
  for (const double c : problem.y) y.push_back(c == 0.0 ? 1.0 : 3.0);
  LogisticRegression model;
  model.fit({.x = problem.x, .y = y, .n_classes = 5}, {});
  EXPECT_EQ(model.seen_classes(), (std::vector<std::uint32_t>{1, 3}));
  const std::vector<double> probabilities = model.predict_proba(problem.x);
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(probabilities[i * 5], 0.0);
    EXPECT_EQ(probabilities[i * 5 + 2], 0.0);
    EXPECT_NEAR(probabilities[i * 5 + 1] + probabilities[i * 5 + 3], 1.0, 1e-15);
  }
}

TEST(LogisticRegression, RefusesOneClass) {
  const test::Problem problem = classes(20, 2, 2);
  LogisticRegression model;
  try {
    model.fit(problem.x, std::vector<double>(20, 1.0));
    FAIL();
  } catch (const core::InvalidInput& error) {
    EXPECT_STREQ(error.what(),
                 "logistic regression needs two classes, and all rows are of class 1");
  }
  EXPECT_FALSE(model.fitted());
}

TEST(LogisticRegression, TellsSeparableClassesApart) {
  data::Matrix x(40, 1);
  std::vector<double> y(40);
  for (std::size_t i = 0; i < 40; ++i) {
    x.writable_column(0)[i] = static_cast<double>(i);
    y[i] = i < 20 ? 0.0 : 1.0;
  }
  for (const char* penalty : {"l2", "none"}) {
    LogisticRegression model({.penalty = penalty, .C = 1e6});
    model.fit(x, y);
    EXPECT_EQ(model.predict(x), y) << penalty;
    for (const double b : model.coefficients()) EXPECT_TRUE(std::isfinite(b));
  }
}

TEST(LogisticRegression, TakesDependentColumnsAndMoreColumnsThanRows) {
  const test::Problem narrow = classes(60, 3, 3);
  data::Matrix x(60, 6);
  for (std::size_t j = 0; j < 6; ++j) {
    const auto from = narrow.x.column(j % 3);
    std::copy(from.begin(), from.end(), x.writable_column(j).begin());
  }
  for (const char* penalty : {"l2", "none"}) {
    LogisticRegression twice({.penalty = penalty});
    twice.fit(x, narrow.y);
    LogisticRegression once({.penalty = penalty, .C = 2.0});
    once.fit(narrow.x, narrow.y);
    const std::vector<double> seen = twice.predict_proba(x);
    const std::vector<double> expected = once.predict_proba(narrow.x);
    for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_NEAR(seen[i], expected[i], 1e-5);
  }
  const test::Problem wide = classes(20, 60, 3);
  LogisticRegression model;
  model.fit(wide.x, wide.y);
  EXPECT_EQ(model.predict(wide.x), wide.y);
}

TEST(LogisticRegression, ReachesTheMinimumOfManyRowsWhicheverASampleHas) {
  test::Problem problem = classes(30000, 4, 3);
  for (const char* order : {"as they come", "sorted", "every other half elsewhere"}) {
    if (*order == 's') {
      std::vector<std::uint32_t> by_class(30000);
      for (std::uint32_t i = 0; i < 30000; ++i) by_class[i] = i;
      std::stable_sort(by_class.begin(), by_class.end(), [&](std::uint32_t a, std::uint32_t b) {
        return problem.x.column(0)[a] < problem.x.column(0)[b];
      });
      problem = test::take(problem, by_class);
    }
    if (*order == 'e') {
      for (std::size_t i = 0; i < 30000; i += 2) problem.x.writable_column(1)[i] *= 100.0;
    }
    LogisticRegression model;
    model.fit(problem.x, problem.y);
    EXPECT_LE(steepest(model, problem.x, problem.y), 1.2e-4) << order;
  }
}

TEST(LogisticRegression, ReachesTheMinimumWhereMostRowsAreToldApart) {
  // Most rows lie far from the others' classes; one that is told apart no worse lies far off in
  // the last column, so that it alone bends the objective there.
  test::Problem problem = classes(600, 3, 3);
  for (std::size_t i = 0; i < 600; ++i) {
    if (i % 10 == 0) continue;
    problem.x.writable_column(0)[i] += 8.0 * (problem.y[i] - 1.0);
    problem.x.writable_column(1)[i] += 8.0 * (problem.y[i] == 1.0 ? 1.0 : -1.0);
  }
  for (const double far : {0.0, 30.0, 1000.0}) {
    problem.x.writable_column(2)[7] = far;
    LogisticRegression model;
    model.fit(problem.x, problem.y);
    EXPECT_LE(steepest(model, problem.x, problem.y), 1.2e-4) << far;
  }
}

TEST(LogisticRegression, TakesRowsOfNoWeightAsIfTheyWereNotThere) {
  test::Problem problem = classes(60, 3, 3);
  std::vector<double> weights(60, 1.0);
  std::vector<std::uint32_t> others;
  for (std::uint32_t i = 0; i < 60; ++i) {
    if (i % 7 == 0) {
      weights[i] = 0.0;
    } else {
      others.push_back(i);
    }
  }
  LogisticRegression expected;
  expected.fit({.x = problem.x, .y = problem.y, .rows = others}, {});
  problem.x.writable_column(1)[14] = std::numeric_limits<double>::quiet_NaN();
  LogisticRegression model;
  model.fit({.x = problem.x, .y = problem.y, .sample_weight = weights}, {});
  EXPECT_EQ(model.coefficients(), expected.coefficients());
  EXPECT_EQ(model.intercepts(), expected.intercepts());
}

TEST(LogisticRegression, PredictsTheClassOfTheHighestScoreAndOfEqualsTheFirst) {
  for (const std::size_t k : {2, 3, 7}) {
    const test::Problem problem = classes(500, 4, k);
    LogisticRegression model({.fit_intercept = false});
    model.fit(problem.x, problem.y);
    const std::vector<double> predicted = model.predict(problem.x);
    const std::vector<double> probabilities = model.predict_proba(problem.x);
    for (std::size_t i = 0; i < 500; ++i) {
      const auto first = probabilities.begin() + static_cast<std::ptrdiff_t>(i * k);
      const auto best = std::max_element(first, first + static_cast<std::ptrdiff_t>(k)) - first;
      EXPECT_EQ(predicted[i], static_cast<double>(best));
    }
    const std::vector<std::uint32_t> some = {499, 3, 77};
    EXPECT_EQ(model.predict(problem.x, some),
              (std::vector<double>{predicted[499], predicted[3], predicted[77]}));
    const data::Matrix zeros(2, 4);
    EXPECT_EQ(model.predict(zeros), (std::vector<double>{0.0, 0.0})) << k;
  }
}

TEST(LogisticRegression, WarnsWhenItHasNotConverged) {
  const test::Problem problem = classes(100, 3, 3);
  std::string said;
  FitContext context;
  context.warn = [&](const std::string& message) { said = message; };
  LogisticRegression model({.max_iter = 1});
  model.fit({.x = problem.x, .y = problem.y}, context);
  EXPECT_EQ(said.find("logistic_regression has not converged: after 1 steps"), 0U) << said;
}

TEST(LogisticRegression, SaysWhichValueItCannotUse) {
  test::Problem problem = classes(50, 3, 2);
  problem.x.writable_column(2)[17] = std::numeric_limits<double>::quiet_NaN();
  LogisticRegression model;
  try {
    model.fit(problem.x, problem.y);
    FAIL();
  } catch (const core::InvalidInput& error) {
    EXPECT_STREQ(error.what(), "column 2 has no value in row 17");
  }
  const test::Problem good = classes(50, 3, 2);
  model.fit(good.x, good.y);
  try {
    model.predict(problem.x);
    FAIL();
  } catch (const core::InvalidInput& error) {
    EXPECT_EQ(std::string(error.what()).find("a value is missing, or too large, in row 17"), 0U)
        << error.what();
  }
}

}  // namespace
}  // namespace mutirao::models
