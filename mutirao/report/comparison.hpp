#pragma once

// The leaderboards of several runs side by side.
//
// Guarantees: a row per model that any of the runs has, by its name in the run; the best score of
// the first run that has one decides the order, in the metric's own direction. Scores are compared
// as they are: what sets the runs apart (data, target, task, metric, folds' seed) is said in
// `notes`. A run with another metric shows that metric's own value where it has one. Thread safety:
// pure. Failure: core::InvalidInput for runs of different tasks.

#include <optional>
#include <string>
#include <vector>

#include "mutirao/train/result.hpp"

namespace mutirao::report {

struct Comparison {
  std::string metric;              ///< of the first run
  std::vector<std::string> runs;   ///< their folders
  std::vector<std::string> notes;  ///< why scores may not be comparable, a sentence each
  struct Row {
    std::string model;
    /// One per run; nothing where the run does not have the model; NaN where it has no score.
    std::vector<std::optional<double>> scores;
    /// One per run: "ok", "crashed" and so on; empty where the run does not have the model.
    std::vector<std::string> statuses;
  };
  std::vector<Row> rows;
};

/// Requires: at least one run.
Comparison compare(const std::vector<train::RunResult>& runs);

/// A line per run with its number, then a line per model with a column per number.
std::string comparison_table(const Comparison& comparison);

/// {"schema": 1, "metric", "runs": [..], "notes": [..], "models": [{"model", "scores": [..],
/// "statuses": [..]}]}; what is not there is null.
train::Json to_json(const Comparison& comparison);

}  // namespace mutirao::report
