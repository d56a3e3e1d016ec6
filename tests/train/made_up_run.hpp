#pragma once

#include <cmath>

#include "mutirao/train/result.hpp"

namespace mutirao::train {

/// A result that no run has given: two models that ended well, one that crashed, one that has no
/// score.
inline RunResult made_up_run() {
  const double nan = std::nan("");
  RunResult run;
  run.version = "0.1.0";
  run.run = "runs/made-up";
  run.data = "diamonds.csv.gz";
  run.target = "price";
  run.metric = "r2";
  run.seed = 7;
  run.cores = 2;
  run.seconds = 65.25;
  run.rows = 53940;
  run.rows_dropped = 3;
  run.warnings = {"column 'leak' alone predicts the target almost perfectly"};
  run.columns = {{"carat", data::ColumnType::kNumber, true, ""},
                 {"cut", data::ColumnType::kText, true, ""},
                 {"sold", data::ColumnType::kTimestamp, false, "constant"},
                 {"new", data::ColumnType::kBoolean, false, "dropped"},
                 {"price", data::ColumnType::kNumber, false, "target"}};
  CandidateResult forest;
  forest.model = "random_forest";
  forest.estimator = "random_forest";
  forest.params = {{"n_estimators", "100"},
                   {"max_depth", "none"},
                   {"max_features", "sqrt"},
                   {"max_samples", "0.5"},
                   {"bootstrap", "true"}};
  forest.score = 0.98125;
  forest.score_std = 0.00125;
  forest.metrics = {{"r2", 0.98125}, {"rmse", 546.5}, {"mae", 269.0625}, {"mape", 0.0625}};
  forest.fold_scores = {0.98, 0.9825};
  forest.cv_seconds = 61.5;
  forest.fit_seconds = 12.25;
  forest.peak_rss_bytes = 312'000'000;
  forest.model_file = "models/random_forest.mutirao";
  forest.details.importances = {{"carat", 0.75}, {"cut", 0.25}};
  CandidateResult linear;
  linear.model = "linear_regression";
  linear.estimator = "linear_regression";
  linear.score = 0.5;
  linear.score_std = nan;
  linear.metrics = {{"r2", 0.5}, {"rmse", 12345.5}, {"mae", nan}, {"mape", 0.25}};
  linear.fold_scores = {0.5};
  linear.cv_seconds = 0.05;
  linear.fit_seconds = 0.25;
  linear.peak_rss_bytes = 8'400'000;
  linear.model_file = "models/linear_regression.mutirao";
  CandidateResult unscored;
  unscored.model = "decision_tree";
  unscored.estimator = "decision_tree";
  unscored.score = unscored.score_std = nan;
  unscored.metrics = {{"r2", nan}, {"rmse", nan}, {"mae", nan}, {"mape", nan}};
  unscored.fold_scores = {nan, 0.25};
  unscored.peak_rss_bytes = 900'000;
  unscored.model_file = "models/decision_tree.mutirao";
  CandidateResult crashed;
  crashed.model = "extra_trees";
  crashed.estimator = "extra_trees";
  crashed.status = CandidateStatus::kCrashed;
  crashed.score = crashed.score_std = nan;
  crashed.error = "the process was ended by signal 11 (Segmentation fault)";
  run.leaderboard = {forest, linear, unscored, crashed};
  return run;
}

/// One of two classes: a model, and the baseline.
inline RunResult made_up_classification() {
  RunResult run = made_up_run();
  run.task = data::Task::kClassification;
  run.classes = {"no", "yes"};
  run.positive = "yes";
  run.metric = "accuracy";
  run.target = "bought";
  run.leaderboard.resize(2);
  run.leaderboard[0].metrics = {{"accuracy", 0.875},
                                {"balanced_accuracy", 0.75},
                                {"f1", 0.5},
                                {"roc_auc", 0.9375},
                                {"log_loss", 0.25}};
  run.leaderboard[0].score = 0.875;
  run.leaderboard[0].fold_scores = {0.75, 1.0};
  run.leaderboard[0].details = {.confusion = {60.0, 10.0, 0.5, 19.5},
                                .roc = {{0.0, 0.25, 1.0}, {0.0, 0.75, 1.0}},
                                .importances = {}};
  run.leaderboard[1].model = "baseline";
  run.leaderboard[1].estimator = "baseline";
  run.leaderboard[1].baseline = true;
  run.leaderboard[1].metrics = {{"accuracy", 0.5},
                                {"balanced_accuracy", 0.5},
                                {"f1", std::nan("")},
                                {"roc_auc", 0.5},
                                {"log_loss", 0.6875}};
  run.leaderboard[1].details = {.confusion = {70.0, 0.0, 20.0, 0.0}, .roc = {}, .importances = {}};
  return run;
}

}  // namespace mutirao::train
