#pragma once

// What the process of a candidate is asked to do: one fold at a time, then the final fit.

#include <cstdint>
#include <string>
#include <vector>

#include <cereal/types/map.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

#include "mutirao/core/shared_array.hpp"
#include "mutirao/models/parameters.hpp"
#include "mutirao/train/internal/prepared_data.hpp"

namespace mutirao::train::internal {

struct Candidate {
  std::string model;
  models::ParameterMap parameters;  // those that differ from their defaults
  std::uint64_t seed = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(model, parameters, seed);
  }
};

struct FoldResult {
  std::vector<double> metrics;              // in the order of the task's models::metrics()
  core::SharedArray<double> predictions;    // of the tested rows, in their order
  core::SharedArray<double> probabilities;  // of classes: rows x n_classes, row-major
  std::vector<std::string> warnings;        // of the fit
  double seconds = 0.0;
  std::uint64_t peak_rss_bytes = 0;  // of the process so far

  template <class Archive>
  void serialize(Archive& archive) {
    archive(metrics, predictions, probabilities, warnings, seconds, peak_rss_bytes);
  }
};

struct FinalResult {
  std::vector<std::string> warnings;  // of the fit
  // What most of the model rests on, the most important first; empty where it does not tell.
  std::vector<std::string> important_features;
  std::vector<double> importances;
  double seconds = 0.0;
  std::uint64_t peak_rss_bytes = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(warnings, important_features, importances, seconds, peak_rss_bytes);
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

/// Fits on the rows that the fold learns from, and predicts those that it does.
FoldResult run_fold(const Candidate& candidate, const PreparedData& data, std::uint32_t fold);

/// Fits on all rows and saves the model.
FinalResult run_final_fit(const Candidate& candidate, const PreparedData& data,
                          const Destination& destination);

}  // namespace mutirao::train::internal
