#pragma once

// The ensemble of a run: how much each candidate counts, what that is worth, and its model.
//
// Note [What the ensemble is scored on]
// Weights are learned from predictions for rows that the candidates had not seen. Those of a fold
// are predicted with weights that were learned from the other folds alone, so that no row is
// scored by a weight that it had a part in; where folds are in the order of time, from the folds
// before, and the first fold with equal weights. The model that is saved has the weights learned
// from all folds.

#include <cstdint>
#include <string>
#include <vector>

#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

#include "mutirao/core/shared_array.hpp"
#include "mutirao/train/internal/prepared_data.hpp"

namespace mutirao::train::internal {

/// The candidates that may count, in the order of the leaderboard's equals.
struct EnsembleTask {
  std::vector<std::string> labels;
  /// Of each: one value per row of the data; of classes rows x n_classes probabilities.
  std::vector<core::SharedArray<double>> predictions;
  std::vector<std::string> model_files;
  std::string metric;
  std::uint32_t folds = 0;
  std::string path;  // where its model goes

  template <class Archive>
  void serialize(Archive& archive) {
    archive(labels, predictions, model_files, metric, folds, path);
  }
};

struct EnsembleResult {
  std::vector<double> weights;               // in the order of labels
  std::vector<std::vector<double>> metrics;  // of each fold, in the order of models::metrics()
  /// As of a candidate: NaN where no fold tests.
  core::SharedArray<double> predictions;
  core::SharedArray<double> probabilities;  // of classes
  double cv_seconds = 0.0;
  double fit_seconds = 0.0;
  std::uint64_t peak_rss_bytes = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(weights, metrics, predictions, probabilities, cv_seconds, fit_seconds, peak_rss_bytes);
  }
};

/// Learns the weights, scores them, and saves the model: one file with all members that count.
EnsembleResult make_ensemble(const EnsembleTask& task, const PreparedData& data);

}  // namespace mutirao::train::internal
