#include "mutirao/models/metrics.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

using data::Task;

/// A stored case: what was predicted, and what scikit-learn says of it.
struct Case {
  explicit Case(const nlohmann::json& json)
      : truth(test::numbers_of(json["truth"])),
        seen(test::numbers_of(json["seen"])),
        weights(test::numbers_of(json["weights"])),
        probabilities(test::numbers_of(json["probabilities"])),
        classes(json["classes"].get<std::size_t>()),
        positive(json["positive"].get<std::size_t>()),
        expected(json["expected"]) {}
  ScoredRows rows() const { return {truth, seen, weights, probabilities, classes, positive}; }
  Task task() const { return classes == 0 ? Task::kRegression : Task::kClassification; }

  std::vector<double> truth, seen, weights, probabilities;
  std::size_t classes, positive;
  nlohmann::json expected;
};

TEST(Metrics, AreThoseOfScikitLearn) {
  std::size_t compared = 0;
  for (const auto& json : test::reference("metrics.json")) {
    const Case given(json);
    for (const Metric& metric : metrics(given.task())) {
      const double expected = given.expected[metric.name];
      EXPECT_NEAR(metric.compute(given.rows()), expected, 1e-12 * std::max(1.0, expected))
          << metric.name << " of " << json["name"];
      EXPECT_EQ(metric.task, given.task());
      ++compared;
    }
  }
  EXPECT_GT(compared, 40U);
}

TEST(Metrics, ARowOfWeightZeroIsAsIfItWereNotThere) {
  for (const auto& json : test::reference("metrics.json")) {
    const Case given(json);
    Case longer(json);
    if (longer.weights.empty()) longer.weights.assign(longer.truth.size(), 1.0);
    for (int extra = 0; extra < 3; ++extra) {
      longer.truth.push_back(0.0);
      longer.seen.push_back(1.0);
      longer.weights.push_back(0.0);
      for (std::size_t c = 0; c < given.classes; ++c)
        longer.probabilities.push_back(c == 1 ? 1.0 : 0.0);
    }
    for (const Metric& metric : metrics(given.task()))
      EXPECT_EQ(metric.compute(longer.rows()), metric.compute(given.rows())) << metric.name;
  }
}

TEST(Metrics, AreNotDefinedWithoutRows) {
  const std::vector<double> one = {0.0};
  const std::vector<double> none = {0.0};
  const std::vector<double> certain = {1.0, 0.0};
  for (const Task task : {Task::kRegression, Task::kClassification}) {
    for (const MetricValue& value : all_metrics({.n_classes = 2}, task))
      EXPECT_TRUE(std::isnan(value.value)) << value.name;
    const ScoredRows weightless{one, one, none, certain, 2, 1};
    for (const MetricValue& value : all_metrics(weightless, task))
      EXPECT_TRUE(std::isnan(value.value)) << value.name;
  }
}

TEST(Metrics, R2OfAConstantTargetIsNotDefined) {
  EXPECT_TRUE(std::isnan(r2_score(std::vector{2.0, 2.0}, std::vector{1.0, 3.0})));
  EXPECT_TRUE(std::isnan(r2_score(std::vector{2.0}, std::vector{2.0})));
}

TEST(Metrics, WhatOneClassAloneCannotTellIsNotDefined) {
  const std::vector<double> zeros = {0.0, 0.0};
  const std::vector<double> sure = {0.9, 0.1, 0.6, 0.4};
  const ScoredRows rows{zeros, zeros, {}, sure, 2, 1};
  EXPECT_TRUE(std::isnan(roc_auc_score(rows)));
  EXPECT_TRUE(std::isnan(f1_score(rows)));  // neither there nor predicted
  EXPECT_EQ(accuracy_score(rows), 1.0);
  EXPECT_EQ(balanced_accuracy_score(rows), 1.0);
  EXPECT_TRUE(roc_curve(rows, 1).true_positive_rate.empty());
}

TEST(Metrics, AClassThatIsNotAmongTheRowsCountsInNoMean) {
  // Class 2 of three is neither there nor predicted.
  const std::vector<double> truth = {0.0, 0.0, 1.0, 1.0};
  const std::vector<double> seen = {0.0, 1.0, 1.0, 1.0};
  const std::vector<double> sure = {0.8, 0.1, 0.1, 0.3, 0.6, 0.1, 0.2, 0.7, 0.1, 0.2, 0.8, 0.0};
  const ScoredRows rows{truth, seen, {}, sure, 3, 1};
  EXPECT_DOUBLE_EQ(balanced_accuracy_score(rows), (0.5 + 1.0) / 2.0);
  EXPECT_DOUBLE_EQ(f1_score(rows), (2.0 / 3.0 + 4.0 / 5.0) / 2.0);
  EXPECT_DOUBLE_EQ(roc_auc_score(rows), 1.0);
}

TEST(Metrics, ATruthOfProbabilityZeroCostsAFiniteLogLoss) {
  const std::vector<double> truth = {1.0};
  const std::vector<double> seen = {0.0};
  const std::vector<double> sure = {1.0, 0.0};
  EXPECT_NEAR(log_loss({truth, seen, {}, sure, 2, 1}), 36.04, 0.01);
}

TEST(Metrics, TheCurveHasOnePointPerDistinctProbability) {
  const std::vector<double> truth = {1.0, 0.0, 1.0, 0.0, 0.0};
  const std::vector<double> sure = {0.1, 0.9, 0.5, 0.5, 0.5, 0.5, 0.8, 0.2, 0.8, 0.2};
  const RocCurve curve = roc_curve({truth, truth, {}, sure, 2, 1}, 1);
  EXPECT_EQ(curve.true_positive_rate, (std::vector<double>{0.0, 0.5, 1.0, 1.0}));
  EXPECT_EQ(curve.false_positive_rate, (std::vector<double>{0.0, 0.0, 1.0 / 3.0, 1.0}));
}

TEST(Metrics, TheConfusionMatrixHasTheTruthInItsRows) {
  const std::vector<double> truth = {0.0, 0.0, 2.0, 1.0};
  const std::vector<double> seen = {0.0, 2.0, 2.0, 0.0};
  const std::vector<double> weights = {1.0, 0.5, 2.0, 1.0};
  EXPECT_EQ(confusion_matrix({truth, seen, weights, {}, 3}),
            (std::vector<double>{1.0, 0.0, 0.5, 1.0, 0.0, 0.0, 0.0, 0.0, 2.0}));
}

TEST(Metrics, KnowTheirDirectionAndTheFirstIsTheDefault) {
  EXPECT_TRUE(find_metric("r2").greater_is_better);
  for (const char* name : {"rmse", "mae", "mape"})
    EXPECT_FALSE(find_metric(name).greater_is_better);
  for (const char* name : {"accuracy", "balanced_accuracy", "f1", "roc_auc"})
    EXPECT_TRUE(find_metric(name, Task::kClassification).greater_is_better);
  EXPECT_FALSE(find_metric("log_loss", Task::kClassification).greater_is_better);
  EXPECT_EQ(metrics().front().name, "r2");
  EXPECT_EQ(metrics(Task::kClassification).front().name, "accuracy");
}

TEST(Metrics, RefuseDifferentLengthsAndIndicesOfNoClass) {
  const std::vector<double> one = {1.0};
  const std::vector<double> two = {1.0, 2.0};
  const std::vector<double> sure = {0.5, 0.5};
  EXPECT_THROW(r2_score(two, one), core::InvalidArgument);
  EXPECT_THROW(r2_score({one, one, two}), core::InvalidArgument);
  EXPECT_THROW(accuracy_score({two, two, {}, {}, 2}), core::InvalidArgument);
  EXPECT_THROW(log_loss({two, two, {}, sure, 3}), core::InvalidArgument);
  EXPECT_THROW(f1_score({one, one, {}, {}, 2, 2}), core::InvalidArgument);
  EXPECT_THROW(roc_curve({one, one, {}, sure, 2}, 2), core::InvalidArgument);
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

TEST(Metrics, OneOfTheOtherTaskIsRefusedWithThoseThatFit) {
  EXPECT_FALSE(has_metric("log_loss", Task::kRegression));
  EXPECT_TRUE(has_metric("log_loss", Task::kClassification));
  try {
    find_metric("r2", Task::kClassification);
    FAIL();
  } catch (const core::InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "the metric 'r2' is for regression, and this is classification");
    EXPECT_EQ(error.hint(),
              "choose from accuracy, balanced_accuracy, f1, roc_auc, log_loss; --task regression "
              "says that the target is otherwise");
  }
}

}  // namespace
}  // namespace mutirao::models
