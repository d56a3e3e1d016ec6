// What the header of Estimator promises of every model, looked at for all that the registry lists.

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/sections.hpp"
#include "mutirao/models/registry.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

class EveryEstimator : public testing::TestWithParam<std::size_t> {
 protected:
  const EstimatorInfo& info() const { return estimators()[GetParam()]; }
  bool classifies() const { return info().task == data::Task::kClassification; }
  std::unique_ptr<Estimator> make() const {
    for (const ParameterInfo& parameter : info().parameters) {
      if (parameter.name == "n_estimators") return info().make({{"n_estimators", "8"}});
    }
    return info().make({});
  }
  /// Numbers, or three classes.
  std::vector<double> targets(const std::vector<double>& y) const {
    if (!classifies()) return y;
    std::vector<double> sorted = y;
    std::sort(sorted.begin(), sorted.end());
    std::vector<double> classes;
    for (const double value : y) {
      classes.push_back((value > sorted[sorted.size() / 3] ? 1.0 : 0.0) +
                        (value > sorted[2 * sorted.size() / 3] ? 1.0 : 0.0));
    }
    return classes;
  }
  /// What it would store.
  static std::vector<std::byte> bytes_of(const Estimator& estimator) {
    SectionWriter writer;
    estimator.save(writer);
    std::vector<std::byte> bytes;
    for (const auto& section : writer.sections())
      bytes.insert(bytes.end(), section.bytes.begin(), section.bytes.end());
    return bytes;
  }
  std::vector<double> outputs(const Estimator& estimator, data::MatrixView x) const {
    return classifies() ? estimator.predict_proba(x) : estimator.predict(x);
  }
  /// Fits; the complaint, or "" for finite predictions.
  std::string complaint(const TrainingSet& training) const {
    const auto estimator = make();
    try {
      estimator->fit(training, {});
      for (const double value : outputs(*estimator, training.x)) {
        if (!std::isfinite(value)) return "predicts what is not finite";
      }
    } catch (const core::InvalidInput& error) {
      EXPECT_FALSE(estimator->fitted());
      return error.what();
    }
    return "";
  }
};

TEST_P(EveryEstimator, IsTheSameOnAnyNumberOfCores) {
  const test::Problem problem = test::friedman(5000, 6, 1);
  const std::vector<double> y = targets(problem.y);
  std::vector<std::byte> first;
  std::vector<double> seen;
  for (const std::size_t cores : {1, 2, 3, 8}) {
    const test::Cores given(cores);
    const auto estimator = make();
    estimator->fit({.x = problem.x, .y = y}, {.seed = 5});
    const std::vector<double> predicted = outputs(*estimator, problem.x);
    if (first.empty()) {
      first = bytes_of(*estimator);
      seen = predicted;
    }
    EXPECT_EQ(bytes_of(*estimator), first) << cores << " cores";
    EXPECT_EQ(predicted, seen) << cores << " cores";
  }
}

TEST_P(EveryEstimator, LearnsFromTheGivenRowsOnly) {
  const test::Problem problem = test::friedman(400, 4, 2);
  std::vector<double> y = targets(problem.y);
  std::vector<std::uint32_t> rows;
  for (std::uint32_t i = 0; i < 400; i += 2) rows.push_back(i);
  const test::Problem part = test::take({problem.x, y}, rows);
  const auto alone = make();
  alone->fit({.x = part.x, .y = part.y}, {.seed = 5});
  const auto among = make();
  among->fit({.x = problem.x, .y = y, .rows = rows}, {.seed = 5});
  EXPECT_EQ(outputs(*among, problem.x), outputs(*alone, problem.x));
}

TEST_P(EveryEstimator, DoesNotLookAtRowsOfWeightZero) {
  const test::Problem problem = test::friedman(400, 4, 2);
  std::vector<double> y = targets(problem.y);
  std::vector<double> weights(400, 1.0);
  std::vector<double> spoilt = y;
  for (std::size_t i = 0; i < 400; i += 3) {
    weights[i] = 0.0;
    spoilt[i] = classifies() ? 0.0 : 1e6;
  }
  const auto clean = make();
  clean->fit({.x = problem.x, .y = y, .sample_weight = weights}, {.seed = 5});
  const auto other = make();
  other->fit({.x = problem.x, .y = spoilt, .sample_weight = weights}, {.seed = 5});
  const std::vector<double> expected = outputs(*clean, problem.x);
  const std::vector<double> seen = outputs(*other, problem.x);
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_NEAR(seen[i], expected[i], 1e-9);
}

TEST_P(EveryEstimator, RefusesWeightsAndTargetsThatCannotBe) {
  const test::Problem problem = test::friedman(50, 3, 3);
  const std::vector<double> y = targets(problem.y);
  std::vector<double> weights(50, 1.0);
  weights[7] = -1.0;
  EXPECT_EQ(complaint({.x = problem.x, .y = y, .sample_weight = weights}),
            "the sample weight in row 7 is -1");
  const std::vector<double> none(50, 0.0);
  EXPECT_EQ(complaint({.x = problem.x, .y = y, .sample_weight = none}),
            "there are no rows to learn from");
  std::vector<double> missing = y;
  missing[9] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(complaint({.x = problem.x, .y = missing}),
            "the target is not a finite number in row 9");
}

TEST_P(EveryEstimator, TakesMissingValuesOrNamesOne) {
  test::Problem problem = test::friedman(100, 3, 3);
  problem.x.writable_column(1)[17] = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> y = targets(problem.y);
  EXPECT_EQ(complaint({.x = problem.x, .y = y}),
            info().encoding == data::Encoding::kCodes ? "" : "column 1 has no value in row 17");
}

TEST_P(EveryEstimator, TakesTheLargestNumbersOrSaysThatTheyAreTooLarge) {
  test::Problem problem = test::friedman(100, 3, 3);
  problem.x.writable_column(1)[17] = 1e308;
  problem.x.writable_column(1)[18] = -1e308;
  const std::vector<double> y = targets(problem.y);
  const std::string said = complaint({.x = problem.x, .y = y});
  EXPECT_TRUE(said.empty() || said.find("too large") != std::string::npos) << said;
}

TEST_P(EveryEstimator, TakesConstantAndEqualColumnsAndMoreColumnsThanRows) {
  const test::Problem problem = test::friedman(60, 3, 3);
  const std::vector<double> y = targets(problem.y);
  data::Matrix x(60, 6);
  for (std::size_t j = 0; j < 6; ++j) {
    const auto from = problem.x.column(j % 3);
    std::copy(from.begin(), from.end(), x.writable_column(j).begin());
  }
  std::fill(x.writable_column(2).begin(), x.writable_column(2).end(), 0.1);
  EXPECT_EQ(complaint({.x = x, .y = y}), "");
  const test::Problem wide = test::friedman(12, 40, 4);
  const std::vector<double> few = targets(wide.y);
  EXPECT_EQ(complaint({.x = wide.x, .y = few}), "");
}

TEST_P(EveryEstimator, OfAConstantTargetIsThatConstant) {
  const test::Problem problem = test::friedman(60, 3, 3);
  const std::vector<double> y(60, classifies() ? 0.0 : 3.0);
  const auto estimator = make();
  try {
    estimator->fit(problem.x, y);
  } catch (const core::InvalidInput& error) {
    EXPECT_TRUE(classifies()) << error.what();
    EXPECT_NE(std::string(error.what()).find("needs two classes"), std::string::npos)
        << error.what();
    return;
  }
  for (const double value : estimator->predict(problem.x)) EXPECT_NEAR(value, y[0], 1e-12);
}

TEST_P(EveryEstimator, KnowsClassesThatHaveNoRow) {
  if (!classifies()) GTEST_SKIP() << "it predicts numbers";
  const test::Problem problem = test::friedman(100, 3, 3);
  const std::vector<double> y = targets(problem.y);
  const auto estimator = make();
  estimator->fit({.x = problem.x, .y = y, .n_classes = 5}, {});
  EXPECT_EQ(estimator->n_classes(), 5U);
  const std::vector<double> probabilities = estimator->predict_proba(problem.x);
  ASSERT_EQ(probabilities.size(), 500U);
  for (std::size_t i = 0; i < 100; ++i) {
    double sum = 0.0;
    for (std::size_t c = 0; c < 5; ++c) sum += probabilities[i * 5 + c];
    EXPECT_NEAR(sum, 1.0, 1e-12);
    EXPECT_LT(probabilities[i * 5 + 4], 0.2);
  }
}

TEST_P(EveryEstimator, StopsWhenItIsAskedToAndStaysUnfitted) {
  const test::Problem problem = test::friedman(100, 3, 3);
  const std::vector<double> y = targets(problem.y);
  std::stop_source source;
  source.request_stop();
  const auto estimator = make();
  FitContext context;
  context.stop = source.get_token();
  try {
    estimator->fit({.x = problem.x, .y = y}, context);
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kCancelled) << error.what();
    EXPECT_FALSE(estimator->fitted());
    return;
  }
  EXPECT_EQ(info().name, "baseline");  // done before it could be stopped
}

TEST_P(EveryEstimator, AClonePredictsTheSameOnceItIsFitted) {
  const test::Problem problem = test::friedman(100, 3, 3);
  const std::vector<double> y = targets(problem.y);
  const auto estimator = make();
  estimator->fit({.x = problem.x, .y = y}, {.seed = 1});
  const auto clone = estimator->clone();
  EXPECT_FALSE(clone->fitted());
  EXPECT_EQ(clone->parameters(), estimator->parameters());
  clone->fit({.x = problem.x, .y = y}, {.seed = 1});
  EXPECT_EQ(bytes_of(*clone), bytes_of(*estimator));
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryEstimator,
                         testing::Range<std::size_t>(0, estimators().size()),
                         [](const testing::TestParamInfo<std::size_t>& each) {
                           return estimators()[each.param].class_name;
                         });

}  // namespace
}  // namespace mutirao::models
