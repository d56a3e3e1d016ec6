// A run whose target is a class: labels, probabilities, metrics, what the folder holds.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../data/temporary_folder.hpp"
#include "mutirao/core/file.hpp"
#include "mutirao/core/random.hpp"
#include "mutirao/data/source.hpp"
#include "mutirao/data/splits.hpp"
#include "mutirao/models/model.hpp"
#include "mutirao/models/registry.hpp"
#include "mutirao/train/predict.hpp"
#include "mutirao/train/run_folder.hpp"
#include "mutirao/train/train.hpp"

namespace mutirao::train {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::HasSubstr;

class Classification : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_.file(name); }

  /// Two numbers, a category, a weight and one of the labels, the later the larger the numbers.
  std::string data(const std::vector<std::string>& labels, std::size_t rows = 90) const {
    core::RandomStream random({5});
    std::string csv = "x,z,c,w,y\n";
    for (std::size_t row = 0; row < rows; ++row) {
      const double x = random.uniform();
      const double z = random.uniform();
      const double where = 0.8 * x + 0.1 * z + 0.1 * random.uniform();
      const auto label = static_cast<std::size_t>(where * static_cast<double>(labels.size()));
      csv += fmt::format("{},{},{},{},{}\n", x, z, static_cast<char>('p' + row % 4),
                         1.0 + static_cast<double>(row % 3),
                         labels[std::min(label, labels.size() - 1)]);
    }
    return folder_.write("t.csv", csv);
  }
  RunResult run(const std::string& data,
                const std::function<void(TrainConfig&)>& change = {}) const {
    TrainConfig config{.data = data, .target = "y", .ensemble = false};
    config.drop = {"w"};
    if (change) change(config);
    return train(config, {.out = path("run")});
  }
  static std::vector<double> numbers(const data::Table& table, const std::string& name) {
    const auto span = table.at(name).numbers.span();
    return {span.begin(), span.end()};
  }

  data::TemporaryFolder folder_;
};

TEST_F(Classification, ARunSaysItsClassesAndScoresThem) {
  const RunResult result = run(data({"no", "yes"}));
  EXPECT_EQ(result.task, data::Task::kClassification);
  EXPECT_THAT(result.classes, ElementsAre("no", "yes"));
  EXPECT_EQ(result.positive, "yes");
  EXPECT_EQ(result.metric, "accuracy");
  for (const CandidateResult& row : result.leaderboard) {
    EXPECT_EQ(row.status, CandidateStatus::kOk) << row.model << row.error.value_or("");
    std::vector<std::string> names;
    for (const models::MetricValue& metric : row.metrics) names.push_back(metric.name);
    EXPECT_THAT(names, ElementsAre("accuracy", "balanced_accuracy", "f1", "roc_auc", "log_loss"));
    EXPECT_EQ(row.details.confusion.size(), 4u);
  }
  EXPECT_EQ(to_json(read_run(path("run"))).dump(), to_json(result).dump());
}

TEST_F(Classification, ScoresAreThoseOfAPlainLoopOverStratifiedFolds) {
  const std::string file = data({"low", "middle", "high"});
  const RunResult result = run(file, [](TrainConfig& config) {
    config.seed = 3;
    config.metric = "log_loss";
  });
  const data::Table table = data::read_table(file);
  const data::ClassLabels labels = data::labels_of(table.at("y"));
  const std::vector<std::uint32_t> y = data::class_indices(table.at("y"), labels);
  const data::FeatureSelection selection =
      data::select_features(table, {.target = "y", .drop = {"w"}});
  const data::Table oof = data::read_table(path("run/oof.parquet"));
  for (const CandidateResult& row : result.leaderboard) {
    const models::EstimatorInfo& info =
        models::find_estimator(row.model, data::Task::kClassification);
    std::vector<double> scores;
    std::vector<double> predictions(table.rows());
    for (const data::Split& split : data::stratified_k_fold(y, 5, 3)) {
      const auto encoder = data::FeatureEncoder::fit(table, selection, split.train, info.encoding);
      const data::Matrix x = encoder.transform(table, split.train);
      const auto values = [&](const std::vector<std::uint32_t>& rows) {
        std::vector<double> taken;
        for (const std::uint32_t each : rows) taken.push_back(y[each]);
        return taken;
      };
      const std::vector<double> y_train = values(split.train);
      const auto estimator = info.make({});
      estimator->fit({.x = x,
                      .y = y_train,
                      .one_hot_blocks = encoder.one_hot_blocks(),
                      .categories = encoder.category_columns(),
                      .n_classes = labels.size()},
                     {.seed = 3});
      const data::Matrix x_test = encoder.transform(table, split.test);
      const std::vector<double> truth = values(split.test);
      const std::vector<double> predicted = estimator->predict(x_test);
      const std::vector<double> probabilities = estimator->predict_proba(x_test);
      scores.push_back(models::log_loss({.y_true = truth,
                                         .y_pred = predicted,
                                         .probabilities = probabilities,
                                         .n_classes = labels.size()}));
      for (std::size_t i = 0; i < split.test.size(); ++i) {
        const std::uint32_t at = split.test[i];
        EXPECT_EQ(oof.at(row.model).levels[oof.at(row.model).codes[at]],
                  labels.names[static_cast<std::size_t>(predicted[i])]);
        for (std::size_t c = 0; c < labels.size(); ++c) {
          EXPECT_EQ(oof.at(row.model + "_probability_" + labels.names[c]).numbers[at],
                    probabilities[i * labels.size() + c]);
        }
      }
    }
    EXPECT_EQ(row.fold_scores, scores) << row.model;
  }
}

TEST_F(Classification, TheConfusionMatrixCountsTheTestedRows) {
  const RunResult result = run(data({"low", "middle", "high"}));
  const data::Table oof = data::read_table(path("run/oof.parquet"));
  const data::Column& truth = oof.at("target");
  for (const CandidateResult& row : result.leaderboard) {
    const data::Column& seen = oof.at(row.model);
    std::map<std::pair<std::string, std::string>, double> counted;
    for (std::size_t i = 0; i < oof.rows(); ++i)
      counted[{truth.levels[truth.codes[i]], seen.levels[seen.codes[i]]}] += 1.0;
    for (std::size_t t = 0; t < 3; ++t) {
      for (std::size_t s = 0; s < 3; ++s) {
        EXPECT_EQ(row.details.confusion[t * 3 + s],
                  (counted[{result.classes[t], result.classes[s]}]));
      }
    }
    EXPECT_TRUE(row.details.roc.true_positive_rate.empty());
  }
}

TEST_F(Classification, LabelsKeepTheKindThatTheTargetHas) {
  const std::vector<std::pair<std::vector<std::string>, data::ColumnType>> cases = {
      {{"false", "true"}, data::ColumnType::kBoolean},
      {{"1", "2", "5"}, data::ColumnType::kNumber},
      {{"a", "b"}, data::ColumnType::kText}};
  for (const auto& [labels, type] : cases) {
    std::filesystem::remove_all(path("run"));
    const RunResult result =
        run(data(labels), [](TrainConfig& config) { config.task = data::Task::kClassification; });
    EXPECT_THAT(result.classes, ElementsAreArray(labels));
    EXPECT_EQ(data::read_table(path("run/oof.parquet")).at("target").type, type);
    const std::string file = path("run/" + result.leaderboard.at(0).model_file.value());
    const data::Table given = predict(file, path("t.csv")).table;
    std::vector<std::string> names = {"prediction"};
    for (const std::string& label : labels) names.push_back("probability_" + label);
    EXPECT_EQ(given.names(), names);
    EXPECT_EQ(given.at("prediction").type, type);
    EXPECT_EQ(models::Model::load(file).info().classes.names, labels);
    std::vector<double> sums(given.rows());
    for (const std::string& label : labels) {
      const std::vector<double> of_class = numbers(given, "probability_" + label);
      for (std::size_t row = 0; row < sums.size(); ++row) sums[row] += of_class[row];
    }
    for (const double sum : sums) EXPECT_NEAR(sum, 1.0, 1e-12);
  }
}

TEST_F(Classification, WeightsCountInFitsAndInMetrics) {
  const std::string file = data({"no", "yes"});
  const RunResult weighted = run(file, [](TrainConfig& config) {
    config.drop = {};
    config.weight = "w";
    config.test_size = 0.4;
  });
  const data::Table table = data::read_table(file);
  const data::ClassLabels labels = data::labels_of(table.at("y"));
  const std::vector<std::uint32_t> y = data::class_indices(table.at("y"), labels);
  const auto weights = table.at("w").numbers.span();
  const data::Split split = data::split_of(data::stratified_hold_out_numbers(y, 0.4, 0), 0);
  double yes = 0.0, all = 0.0;
  for (const std::uint32_t row : split.train) {
    all += weights[row];
    if (y[row] == 1) yes += weights[row];
  }
  std::vector<double> truth, predicted, probabilities, tested_weights;
  for (const std::uint32_t row : split.test) {
    truth.push_back(y[row]);
    predicted.push_back(yes > all - yes ? 1.0 : 0.0);
    probabilities.push_back(1.0 - yes / all);
    probabilities.push_back(yes / all);
    tested_weights.push_back(weights[row]);
  }
  const auto expected = models::all_metrics({.y_true = truth,
                                             .y_pred = predicted,
                                             .sample_weight = tested_weights,
                                             .probabilities = probabilities,
                                             .n_classes = 2},
                                            data::Task::kClassification);
  const auto baseline = std::find_if(weighted.leaderboard.begin(), weighted.leaderboard.end(),
                                     [](const CandidateResult& row) { return row.baseline; });
  ASSERT_NE(baseline, weighted.leaderboard.end());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (std::isnan(expected[i].value)) {
      EXPECT_TRUE(std::isnan(baseline->metrics[i].value)) << expected[i].name;
    } else {
      EXPECT_NEAR(baseline->metrics[i].value, expected[i].value, 1e-12) << expected[i].name;
    }
  }
  EXPECT_THAT(models::Model::load(path("run/models/baseline.mutirao")).input_columns(),
              ElementsAre("x", "z", "c"));
}

TEST_F(Classification, AClassWithOneRowIsAWarningAndTheRunStands) {
  std::string csv = core::read_file(data({"no", "yes"}));
  csv += "0.5,0.5,p,1,never\n";
  const RunResult result = run(folder_.write("one.csv", csv));
  EXPECT_THAT(result.classes, ElementsAre("never", "no", "yes"));
  EXPECT_THAT(result.warnings, Contains(HasSubstr("'never' (1 row)")));
  for (const CandidateResult& row : result.leaderboard) {
    EXPECT_EQ(row.status, CandidateStatus::kOk) << row.model << row.error.value_or("");
    EXPECT_TRUE(std::isfinite(row.score));
  }
}

}  // namespace
}  // namespace mutirao::train
