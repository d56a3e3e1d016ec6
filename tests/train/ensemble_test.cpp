// The weighted mean of a run's candidates.

#include <cmath>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../data/temporary_folder.hpp"
#include "mutirao/data/source.hpp"
#include "mutirao/models/ensemble_selection.hpp"
#include "mutirao/models/model.hpp"
#include "mutirao/train/predict.hpp"
#include "mutirao/train/run_folder.hpp"
#include "mutirao/train/train.hpp"
#include "some_tables.hpp"

namespace mutirao::train {
namespace {

class Ensemble : public testing::Test {
 protected:
  RunResult run(const std::function<void(TrainConfig&)>& change = {}, std::size_t rows = 80) {
    TrainConfig config{.data = folder_.write("t.csv", some_csv(rows)),
                       .target = "y",
                       .models = {"linear_regression", "decision_tree", "k_neighbors"},
                       .folds = 4,
                       .metric = "rmse"};
    if (change) change(config);
    return train(config, {.out = folder_.file("run")});
  }
  std::string file(const std::string& name) const { return folder_.file("run/" + name); }
  static const CandidateResult* row_of(const RunResult& result, const std::string& model) {
    for (const CandidateResult& row : result.leaderboard) {
      if (row.model == model) return &row;
    }
    return nullptr;
  }
  static std::vector<double> numbers(const data::Table& table, const std::string& name) {
    const auto span = table.at(name).numbers.span();
    return {span.begin(), span.end()};
  }

  const std::vector<std::string> candidates_ = {"linear_regression", "decision_tree",
                                                "k_neighbors"};
  data::TemporaryFolder folder_;
};

/// The values of the rows for which `takes` holds.
std::vector<double> some_of(const std::vector<double>& values,
                            const std::function<bool(std::size_t)>& takes) {
  std::vector<double> taken;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (takes(i)) taken.push_back(values[i]);
  }
  return taken;
}

TEST_F(Ensemble, EachFoldIsPredictedWithWeightsOfTheOthers) {
  for (const bool in_time : {false, true}) {
    std::filesystem::remove_all(folder_.file("run"));
    const RunResult result = run([&](TrainConfig& config) {
      if (in_time) config.time = "d";
    });
    const CandidateResult* row = row_of(result, "ensemble");
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->status, CandidateStatus::kOk);
    EXPECT_EQ(row->estimator, "ensemble");
    EXPECT_FALSE(row->baseline);
    const data::Table oof = data::read_table(file("oof.parquet"));
    const std::vector<double> fold = numbers(oof, "fold");
    const std::vector<double> target = numbers(oof, "target");
    const std::vector<double> blended = numbers(oof, "ensemble");
    const auto select = [&](const std::function<bool(std::size_t)>& takes) {
      std::vector<std::vector<double>> predicted;
      for (const std::string& name : candidates_)
        predicted.push_back(some_of(numbers(oof, name), takes));
      const std::vector<double> truth = some_of(target, takes);
      if (truth.empty()) return std::vector<double>(3, 1.0 / 3.0);
      return models::select_ensemble({predicted.begin(), predicted.end()}, {.y_true = truth},
                                     models::find_metric("rmse"));
    };
    for (double k = 1.0; k <= 4.0; k += 1.0) {
      const std::vector<double> weights =
          select([&](std::size_t i) { return in_time ? fold[i] < k : fold[i] != k; });
      double squares = 0.0, rows = 0.0;
      for (std::size_t i = 0; i < fold.size(); ++i) {
        if (fold[i] != k) continue;
        double expected = 0.0;
        for (std::size_t m = 0; m < candidates_.size(); ++m)
          expected += weights[m] * oof.at(candidates_[m]).numbers[i];
        EXPECT_DOUBLE_EQ(blended[i], expected);
        squares += (blended[i] - target[i]) * (blended[i] - target[i]);
        rows += 1.0;
      }
      EXPECT_NEAR(row->fold_scores.at(static_cast<std::size_t>(k) - 1), std::sqrt(squares / rows),
                  1e-12);
    }
    // The final weights are learned from all folds, and are the row's parameters.
    const std::vector<double> weights = select([](std::size_t) { return true; });
    for (std::size_t m = 0; m < candidates_.size(); ++m) {
      const auto given = row->params.find(candidates_[m]);
      EXPECT_NEAR(given == row->params.end() ? 0.0 : std::stod(given->second), weights[m], 1e-12);
    }
    EXPECT_EQ(to_json(read_run(folder_.file("run"))).dump(), to_json(result).dump());
  }
}

TEST_F(Ensemble, ItsFileAlonePredictsTheWeightedMeanOfItsMembers) {
  const RunResult result = run();
  const CandidateResult* row = row_of(result, "ensemble");
  ASSERT_NE(row, nullptr);
  const data::Table table = data::read_table(folder_.file("t.csv"));
  std::vector<double> expected(table.rows());
  for (const auto& [name, weight] : row->params) {
    const std::vector<double> of_member =
        models::Model::load(file("models/" + name + ".mutirao")).predict(table);
    for (std::size_t i = 0; i < expected.size(); ++i)
      expected[i] += std::stod(weight) * of_member[i];
  }
  for (const std::string& name : candidates_)
    std::filesystem::remove(file("models/" + name + ".mutirao"));
  const Predictions predicted =
      predict(model_file_of(folder_.file("run"), "ensemble"), folder_.file("t.csv"));
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(predicted.table.at("prediction").numbers[i], expected[i], 1e-12);
  EXPECT_EQ(models::Model::load(file("models/ensemble.mutirao")).info().training_rows, 80u);
}

TEST_F(Ensemble, BlendsTheProbabilitiesOfClasses) {
  const RunResult result = run([](TrainConfig& config) {
    config.models = {"decision_tree", "k_neighbors"};
    config.target = "c";
    config.metric = "log_loss";
  });
  const CandidateResult* row = row_of(result, "ensemble");
  ASSERT_NE(row, nullptr);
  EXPECT_LE(row->score, std::min(row_of(result, "decision_tree")->score, 35.0));
  EXPECT_EQ(row->details.confusion.size(), 16u);
  const data::Table oof = data::read_table(file("oof.parquet"));
  for (std::size_t i = 0; i < oof.rows(); ++i) {
    double sum = 0.0;
    for (const char* label : {"p", "q", "r", "s"})
      sum += oof.at(std::string("ensemble_probability_") + label).numbers[i];
    EXPECT_NEAR(sum, 1.0, 1e-12);
  }
  const Predictions predicted =
      predict(model_file_of(folder_.file("run"), "ensemble"), folder_.file("t.csv"));
  EXPECT_EQ(predicted.table.names().size(), 5u);
}

TEST_F(Ensemble, IsLeftOutWhereThereIsNothingToBlendOrItIsNotWanted) {
  const auto has_ensemble = [&](const std::function<void(TrainConfig&)>& change) {
    std::filesystem::remove_all(folder_.file("run"));
    return row_of(run(change, 50), "ensemble") != nullptr;
  };
  EXPECT_FALSE(has_ensemble([](TrainConfig& config) { config.models = {"decision_tree"}; }));
  EXPECT_FALSE(has_ensemble([](TrainConfig& config) { config.ensemble = false; }));
  EXPECT_FALSE(has_ensemble([](TrainConfig& config) {
    config.folds.reset();
    config.test_size = 0.3;
  }));
  // Of two candidates one fails: it takes more neighbours than there are rows.
  EXPECT_FALSE(has_ensemble([](TrainConfig& config) {
    config.models = {"k_neighbors", "decision_tree"};
    config.set["k_neighbors"]["n_neighbors"] = "1000";
  }));
}

}  // namespace
}  // namespace mutirao::train
