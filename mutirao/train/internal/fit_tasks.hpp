#pragma once

// What the processes of a candidate are asked to do: a fold each, or the final fit, or to try out
// parameters for one of them.

#include <cstdint>
#include <string>
#include <vector>

#include <cereal/types/map.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

#include "mutirao/core/shared_array.hpp"
#include "mutirao/exec/process_executor.hpp"
#include "mutirao/models/parameters.hpp"
#include "mutirao/train/internal/inner_splits.hpp"
#include "mutirao/train/internal/prepared_data.hpp"

namespace mutirao::train::internal {

struct Candidate {
  std::string estimator;
  models::ParameterMap parameters;  // those that differ from their defaults
  std::uint64_t seed = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(estimator, parameters, seed);
  }
};

/// What a fit may take.
struct FitLimit {
  /// A forest that has grown for so long keeps the trees that it has; 0: no limit.
  double seconds = 0.0;
  /// Whether a forest that is asked to stop keeps the trees that it has.
  bool keep_trees = false;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(seconds, keep_trees);
  }
};

/// How a draw is scored.
struct DrawTask {
  std::uint32_t fold = 0;  // what it is drawn for; `folds`: the final fit
  std::uint32_t folds = 0;
  std::string metric;
  InnerSplitOptions splits;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(fold, folds, metric, splits);
  }
};

/// What a fit has found, of a fold or of all rows.
struct FitResult {
  // Of a fold: in the order of the task's models::metrics(); of a draw: its score alone.
  std::vector<double> metrics;
  core::SharedArray<double> predictions;    // of the tested rows, in their order
  core::SharedArray<double> probabilities;  // of classes: rows x n_classes, row-major
  // Of the final fit: what most of the model rests on, the most important first; empty where it
  // does not tell.
  std::vector<std::string> important_features;
  std::vector<double> importances;
  std::vector<std::string> warnings;
  // Of a forest that was stopped: the trees it has, and those it was asked for; else both 0.
  std::uint64_t trees_kept = 0;
  std::uint64_t trees_asked = 0;
  double seconds = 0.0;              // wall clock
  double cpu_seconds = 0.0;          // of all threads
  std::uint64_t peak_rss_bytes = 0;  // of the process so far

  template <class Archive>
  void serialize(Archive& archive) {
    archive(metrics, predictions, probabilities, important_features, importances, warnings,
            trees_kept, trees_asked, seconds, cpu_seconds, peak_rss_bytes);
  }
};

/// Where the final model goes, and what it says of itself.
struct Destination {
  std::string path;
  std::string target;
  std::string id;  // empty: none

  template <class Archive>
  void serialize(Archive& archive) {
    archive(path, target, id);
  }
};

/// The processes of the fits: a fresh one for each, which stands ready when one before it ends.
exec::ProcessExecutorOptions fit_process_options(const TrainConfig& config);

/// Fits on the rows that the fold learns from, predicts those that it tests, and writes what it
/// predicts to the file (fold_file.hpp), unless that is empty.
FitResult run_fold(const Candidate& candidate, const PreparedData& data, std::uint32_t fold,
                   const std::string& path, const FitLimit& limit);

/// Fits on all rows and saves the model.
FitResult run_final_fit(const Candidate& candidate, const PreparedData& data,
                        const Destination& destination, const FitLimit& limit);

/// Scores the candidate's parameters inside the rows that the fold learns from: the mean over the
/// inner splits, of those that have a score.
FitResult run_draw(const Candidate& candidate, const PreparedData& data, const DrawTask& task,
                   const FitLimit& limit);

}  // namespace mutirao::train::internal
