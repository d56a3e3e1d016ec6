#include "mutirao/models/random_forest.hpp"

#include <cmath>
#include <limits>
#include <mutex>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/metrics.hpp"
#include "mutirao/models/ranked_matrix.hpp"
#include "mutirao/models/registry.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

std::vector<std::uint64_t> words_of(const RandomForestRegressor& forest) {
  return {forest.nodes().words().begin(), forest.nodes().words().end()};
}

TEST(RandomForest, IsTheSameForAnyNumberOfThreads) {
  const test::Problem problem = test::friedman(20000, 6, 4);
  const RankedMatrix ranked(problem.x);
  std::vector<std::uint64_t> first;
  for (const std::size_t cores : {1, 2, 3, 8}) {
    const test::Cores given(cores);
    RandomForestRegressor forest({.n_estimators = 8});
    forest.fit({.x = problem.x, .y = problem.y, .ranked = &ranked},
               {.seed = 5, .max_cores = cores});
    if (first.empty()) first = words_of(forest);
    EXPECT_EQ(words_of(forest), first) << cores << " cores";
  }
}

TEST(RandomForest, PredictsTheSameWithAnyNumberOfThreads) {
  const test::Problem problem = test::friedman(20000, 6, 4);
  RandomForestRegressor forest({.n_estimators = 8});
  forest.fit(problem.x, problem.y);
  std::vector<double> first;
  for (const std::size_t cores : {1, 2, 3, 8}) {
    const test::Cores given(cores);
    const std::vector<double> predictions = forest.predict(problem.x);
    if (first.empty()) first = predictions;
    EXPECT_EQ(predictions, first) << cores << " cores";
  }
}

TEST(RandomForest, KeepsItsFirstTreesWhenItIsStoppedAndMay) {
  const test::Problem problem = test::friedman(300, 4, 4);
  RandomForestRegressor whole({.n_estimators = 40});
  whole.fit(problem.x, problem.y, {.seed = 5});
  std::stop_source stop;
  std::uint64_t kept = 0;
  std::uint64_t asked = 0;
  FitContext context{.seed = 5};
  context.stop = stop.get_token();
  context.progress = [&](std::uint64_t done, std::uint64_t) {
    if (done == 7) stop.request_stop();
  };
  RandomForestRegressor stopped({.n_estimators = 40});
  EXPECT_THROW(stopped.fit(problem.x, problem.y, context), core::Error);
  EXPECT_FALSE(stopped.fitted());
  stop = {};
  context.stop = stop.get_token();
  context.keep_trees = [&](std::uint64_t trees, std::uint64_t of) {
    kept = trees;
    asked = of;
  };
  stopped.fit(problem.x, problem.y, context);
  EXPECT_EQ(asked, 40u);
  EXPECT_EQ(stopped.nodes().trees(), kept);
  ASSERT_GE(kept, 1u);
  ASSERT_LT(kept, 40u);
  RandomForestRegressor smaller({.n_estimators = static_cast<std::int64_t>(kept)});
  smaller.fit(problem.x, problem.y, {.seed = 5});
  EXPECT_EQ(words_of(stopped), words_of(smaller));
}

TEST(RandomForest, DependsOnTheSeed) {
  const test::Problem problem = test::friedman(200, 4, 4);
  RandomForestRegressor one({.n_estimators = 3});
  RandomForestRegressor two({.n_estimators = 3});
  one.fit(problem.x, problem.y, {.seed = 1});
  two.fit(problem.x, problem.y, {.seed = 2});
  EXPECT_NE(words_of(one), words_of(two));
}

TEST(RandomForest, HasAsItsFirstTreesThoseOfASmallerForest) {
  const test::Problem problem = test::friedman(300, 4, 4);
  RandomForestRegressor small({.n_estimators = 3});
  RandomForestRegressor large({.n_estimators = 6});
  small.fit(problem.x, problem.y, {.seed = 1});
  large.fit(problem.x, problem.y, {.seed = 1});
  const std::vector<std::uint64_t> few = words_of(small);
  const std::vector<std::uint64_t> many = words_of(large);
  ASSERT_LT(few.size(), many.size());
  EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin()));
}

TEST(RandomForest, OnSomeRowsIsThatOnATableOfThoseRows) {
  const test::Problem problem = test::friedman(400, 5, 6);
  std::vector<std::uint32_t> rows;
  for (std::uint32_t i = 1; i < 400; i += 2) rows.push_back(i);
  const test::Problem part = test::take(problem, rows);
  RandomForestRegressor of_rows({.n_estimators = 5});
  RandomForestRegressor of_part({.n_estimators = 5});
  of_rows.fit({.x = problem.x, .y = problem.y, .rows = rows}, {.seed = 3});
  of_part.fit(part.x, part.y, {.seed = 3});
  EXPECT_EQ(words_of(of_rows), words_of(of_part));
  EXPECT_EQ(of_rows.predict(problem.x, rows), of_part.predict(part.x));
}

TEST(RandomForest, WithoutBootstrapAndWithAllFeaturesHasOneTreeManyTimes) {
  const test::Problem problem = test::friedman(100, 4, 6);
  RandomForestRegressor forest({.n_estimators = 3, .bootstrap = false});
  forest.fit(problem.x, problem.y);
  for (std::size_t i = 0; i < 100; ++i)
    EXPECT_NEAR(forest.predict(problem.x)[i], problem.y[i], 1e-12);
}

TEST(RandomForest, TreatsARowOfWeightZeroAsAbsent) {
  const test::Problem problem = test::friedman(200, 4, 7);
  std::vector<double> weights(200, 1.0);
  std::vector<std::uint32_t> rows;
  for (std::uint32_t i = 0; i < 200; ++i) {
    if (i % 5 == 0) weights[i] = 0.0;
    if (i % 5 != 0) rows.push_back(i);
  }
  RandomForestRegressor weighted({.n_estimators = 4});
  RandomForestRegressor without({.n_estimators = 4});
  weighted.fit({.x = problem.x, .y = problem.y, .sample_weight = weights}, {.seed = 1});
  without.fit({.x = problem.x, .y = problem.y, .rows = rows}, {.seed = 1});
  EXPECT_EQ(words_of(weighted), words_of(without));
}

TEST(RandomForest, ScoresRowsByTheTreesThatDidNotSeeThem) {
  const test::Problem problem = test::friedman(2000, 5, 8);
  const test::Problem fresh = test::friedman(2000, 5, 9);
  RandomForestRegressor forest({.n_estimators = 60, .oob_score = true});
  forest.fit(problem.x, problem.y);
  const double on_fresh = r2_score(fresh.y, forest.predict(fresh.x));
  EXPECT_NEAR(forest.oob_score(), on_fresh, 0.02);
  EXPECT_GT(r2_score(problem.y, forest.predict(problem.x)), forest.oob_score() + 0.02);
  ASSERT_EQ(forest.oob_prediction().size(), 2000u);
  EXPECT_DOUBLE_EQ(r2_score(problem.y, forest.oob_prediction()), forest.oob_score());
}

TEST(RandomForest, DrawsAsManyRowsAsMaxSamplesSays) {
  const test::Problem problem = test::friedman(1000, 3, 8);
  for (const CountOrFraction& samples :
       {CountOrFraction(std::int64_t{100}), CountOrFraction(0.1)}) {
    RandomForestRegressor forest({.n_estimators = 20, .max_samples = samples});
    forest.fit(problem.x, problem.y);
    for (std::size_t i = 0; i < 20; ++i) {
      EXPECT_LE(forest.nodes().leaves(i), 100u);
      EXPECT_GT(forest.nodes().leaves(i), 80u);
    }
  }
  RandomForestRegressor too_many({.max_samples = std::int64_t{1001}});
  EXPECT_THROW(too_many.fit(problem.x, problem.y), core::InvalidArgument);
}

TEST(RandomForest, TellsHowManyTreesAreDone) {
  const test::Problem problem = test::friedman(100, 3, 8);
  std::vector<std::uint64_t> reports;
  RandomForestRegressor forest({.n_estimators = 7});
  forest.fit(problem.x, problem.y, {.progress = [&](std::uint64_t done, std::uint64_t total) {
               EXPECT_EQ(total, 7u);
               reports.push_back(done);
             }});
  EXPECT_EQ(reports, (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7}));
}

TEST(RandomForest, TakesMissingValues) {
  test::Problem problem = test::friedman(2000, 5, 8);
  core::RandomStream stream({77});
  for (std::size_t j = 0; j < 5; ++j) {
    for (double& value : problem.x.writable_column(j)) {
      if (stream.below(10) == 0) value = std::numeric_limits<double>::quiet_NaN();
    }
  }
  RandomForestRegressor forest({.n_estimators = 20, .oob_score = true});
  forest.fit(problem.x, problem.y);
  EXPECT_GT(forest.oob_score(), 0.6);
}

/// Mean r2 of the held-out folds over seeds, as make_references.py computes it.
class ForestQuality : public testing::TestWithParam<std::size_t> {};

TEST_P(ForestQuality, IsThatOfScikitLearn) {
  const nlohmann::json table = test::reference("quality.json")[GetParam()];
  const data::Matrix x = test::matrix_of(table["x"]);
  const std::vector<double> y = test::numbers_of(table["y"]);
  const std::string fold = table["fold"];
  const RankedMatrix ranked(x);
  for (const auto& expected : table["cases"]) {
    SCOPED_TRACE(expected["model"].get<std::string>() + expected["params"].dump());
    const std::size_t seeds = expected["seeds"];
    std::vector<double> scores;
    for (std::size_t seed = 0; seed < seeds; ++seed) {
      double score = 0.0;
      for (char k = '0'; k < '5'; ++k) {
        std::vector<std::uint32_t> train;
        std::vector<std::uint32_t> test;
        std::vector<double> truth;
        for (std::uint32_t i = 0; i < y.size(); ++i) {
          if (fold[i] != k) {
            train.push_back(i);
          } else {
            test.push_back(i);
            truth.push_back(y[i]);
          }
        }
        const auto model = make_estimator(expected["model"].get<std::string>(),
                                          expected["params"].get<ParameterMap>());
        model->fit({.x = x, .y = y, .rows = train, .ranked = &ranked}, {.seed = seed});
        score += r2_score(truth, model->predict(x, test)) / 5.0;
      }
      scores.push_back(score);
    }
    double mean = 0.0;
    for (const double score : scores) mean += score / static_cast<double>(seeds);
    double variance = 0.0;
    for (const double score : scores)
      variance += (score - mean) * (score - mean) / static_cast<double>(seeds - 1);
    const double theirs = expected["standard_error"];
    const double error = std::sqrt(variance / static_cast<double>(seeds) + theirs * theirs);
    EXPECT_NEAR(mean, expected["r2"], std::max(0.005, 3.0 * error));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Tables, ForestQuality, testing::Range(std::size_t{0}, std::size_t{6}),
    [](const testing::TestParamInfo<std::size_t>& param) {
      return test::reference("quality.json")[param.param]["name"].get<std::string>();
    });

}  // namespace
}  // namespace mutirao::models
