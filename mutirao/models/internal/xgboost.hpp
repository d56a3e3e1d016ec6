#pragma once

// XGBoost behind one function. Nothing links its library, which brings OpenMP with it: it is opened
// by dlopen() when a model is first boosted. Searched in this order: $MUTIRAO_XGBOOST_LIBRARY,
// where the build found it, the system.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mutirao/models/estimator.hpp"
#include "mutirao/models/internal/boosted_trees.hpp"

namespace mutirao::models::internal {

/// Whether this build knows XGBoost.
bool built_with_xgboost() noexcept;

struct BoostingTask {
  std::map<std::string, std::string> parameters;  ///< in XGBoost's own names
  std::int64_t rounds = 0;
  std::size_t outputs = 1;
  std::size_t n_classes = 0;  ///< 0: regression
  double scale = 1.0;         ///< targets are scale * label + shift
  double shift = 0.0;
};

/// Boosts on the rows of positive weight, whose labels are (y - shift) / scale. Throws what fit()
/// throws.
BoostedTrees boost(const TrainingSet& training, const BoostingTask& task,
                   const FitContext& context);

}  // namespace mutirao::models::internal
