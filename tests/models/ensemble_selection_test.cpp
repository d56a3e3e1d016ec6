#include "mutirao/models/ensemble_selection.hpp"

#include <cmath>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

/// The truth, and what models of different errors predict.
struct Library {
  std::vector<double> y;
  std::vector<std::vector<double>> predicted;

  std::vector<std::span<const double>> spans() const {
    return {predicted.begin(), predicted.end()};
  }
};

Library library(std::size_t rows, const std::vector<double>& errors, std::uint64_t seed) {
  core::RandomStream stream({seed});
  Library made;
  for (std::size_t i = 0; i < rows; ++i) made.y.push_back(test::normal(stream));
  for (const double error : errors) {
    std::vector<double> values;
    for (const double y : made.y) values.push_back(y + error * test::normal(stream));
    made.predicted.push_back(std::move(values));
  }
  return made;
}

/// The paper's selection by trying, each time from the start, every model behind those added.
std::vector<double> plain_selection(const Library& from, std::size_t rounds) {
  std::vector<std::size_t> chosen;
  std::vector<std::size_t> best;
  double least = INFINITY;
  const auto error_of = [&](const std::vector<std::size_t>& bag) {
    double squares = 0.0;
    for (std::size_t i = 0; i < from.y.size(); ++i) {
      double mean = 0.0;
      for (const std::size_t model : bag) mean += from.predicted[model][i];
      const double error = mean / static_cast<double>(bag.size()) - from.y[i];
      squares += error * error;
    }
    return squares;
  };
  for (std::size_t round = 0; round < rounds; ++round) {
    double round_least = INFINITY;
    std::size_t winner = 0;
    for (std::size_t model = 0; model < from.predicted.size(); ++model) {
      std::vector<std::size_t> bag = chosen;
      bag.push_back(model);
      if (error_of(bag) < round_least) {
        round_least = error_of(bag);
        winner = model;
      }
    }
    chosen.push_back(winner);
    if (round_least < least) {
      least = round_least;
      best = chosen;
    }
  }
  std::vector<double> weights(from.predicted.size());
  for (const std::size_t model : best) weights[model] += 1.0 / static_cast<double>(best.size());
  return weights;
}

TEST(EnsembleSelection, IsThePapersWhateverTheNumberOfCores) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const Library from = library(200, {0.5, 0.6, 0.9, 3.0}, seed);
    const std::vector<double> plain = plain_selection(from, 12);
    for (const std::size_t cores : {1u, 2u}) {
      const test::Cores limit(cores);
      const std::vector<double> weights =
          select_ensemble(from.spans(), {.y_true = from.y}, find_metric("rmse"), {.rounds = 12});
      ASSERT_EQ(weights.size(), plain.size());
      for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(weights[i], plain[i], 1e-12);
    }
  }
}

TEST(EnsembleSelection, IsNoWorseThanItsBestModelOnTheRowsItSees) {
  const Library from = library(150, {0.4, 0.5, 0.7}, 3);
  for (const char* name : {"r2", "rmse", "mae"}) {
    const Metric& metric = find_metric(name);
    const std::vector<double> weights = select_ensemble(from.spans(), {.y_true = from.y}, metric);
    EXPECT_NEAR(std::accumulate(weights.begin(), weights.end(), 0.0), 1.0, 1e-12);
    const double sign = metric.greater_is_better ? 1.0 : -1.0;
    const double together =
        metric.compute({.y_true = from.y, .y_pred = blended(from.spans(), weights)});
    for (const std::vector<double>& alone : from.predicted)
      EXPECT_GE(sign * together,
                sign * metric.compute({.y_true = from.y, .y_pred = alone}) - 1e-12);
  }
}

TEST(EnsembleSelection, GivesWeightedRowsTheirWeightAndNoneToWhatIsNotANumber) {
  Library from = library(300, {0.4, 0.5, 0.7, 0.9}, 8);
  std::vector<double> weights;
  Library repeated;
  repeated.predicted.resize(from.predicted.size());
  for (std::size_t row = 0; row < from.y.size(); ++row) {
    weights.push_back(static_cast<double>(row % 3));
    for (std::size_t times = 0; times < row % 3; ++times) {
      repeated.y.push_back(from.y[row]);
      for (std::size_t model = 0; model < from.predicted.size(); ++model)
        repeated.predicted[model].push_back(from.predicted[model][row]);
    }
  }
  const std::vector<double> plain = plain_selection(repeated, 25);
  for (const char* name : {"r2", "rmse"}) {
    const std::vector<double> selected = select_ensemble(
        from.spans(), {.y_true = from.y, .sample_weight = weights}, find_metric(name));
    for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(selected[i], plain[i], 1e-12);
  }
  from.predicted.emplace_back(from.y.size(), NAN);
  EXPECT_EQ(select_ensemble(from.spans(), {.y_true = from.y}, find_metric("r2")).back(), 0.0);
}

TEST(EnsembleSelection, BlendsProbabilitiesOfClasses) {
  // The first is sure and wrong in one row, the second unsure and right in all.
  const std::vector<double> y = {0, 1, 2, 2};
  const std::vector<double> sure = {.9, .1, 0, .1, .9, 0, 0, .1, .9, .8, .1, .1};
  const std::vector<double> unsure = {.4, .3, .3, .3, .4, .3, .3, .3, .4, 0.1, 0, .9};
  const ScoredRows rows{.y_true = y, .n_classes = 3};
  const std::vector<double> weights =
      select_ensemble({sure, unsure}, rows, find_metric("log_loss", data::Task::kClassification));
  EXPECT_GT(weights[0], 0.0);
  EXPECT_GT(weights[1], 0.0);
  EXPECT_EQ(
      select_ensemble({sure, unsure}, rows, find_metric("accuracy", data::Task::kClassification)),
      (std::vector<double>{0.0, 1.0}));
  EXPECT_EQ(likeliest_classes(unsure, 3), y);
}

TEST(EnsembleSelection, TakesTheFirstOfEqualsAndOfAnUndefinedMetric) {
  const std::vector<double> y = {1, 1};
  const std::vector<double> one = {2, 2};
  const std::vector<double> weights = {1.0, 0.0};
  EXPECT_EQ(select_ensemble({one, one}, {.y_true = y}, find_metric("rmse")), weights);
  // r2 of a constant target is not defined.
  EXPECT_EQ(select_ensemble({one, one}, {.y_true = y}, find_metric("r2")), weights);
}

TEST(EnsembleSelection, NeedsModelsOfAllRows) {
  const std::vector<double> y = {1, 2};
  EXPECT_THROW(select_ensemble({}, {.y_true = y}, find_metric("rmse")), core::InvalidArgument);
  EXPECT_THROW(select_ensemble({std::span(y).first(1)}, {.y_true = y}, find_metric("rmse")),
               core::InvalidArgument);
}

}  // namespace
}  // namespace mutirao::models
