#pragma once

// Forests of trees, each grown on rows drawn with replacement.
//
// Purpose: scikit-learn's RandomForestRegressor and RandomForestClassifier, sooner. Guarantees,
// thread safety and failure: models/forest.hpp.
//
//   RandomForestClassifier forest({.n_estimators = 100, .oob_score = true});
//   forest.fit(x, y);

#include <cstdint>
#include <optional>
#include <string_view>

#include "mutirao/models/decision_tree.hpp"
#include "mutirao/models/forest.hpp"

namespace mutirao::models {

/// Names and defaults are scikit-learn's.
struct RandomForestOptions {
  static constexpr std::string_view kName = "random_forest";

  std::int64_t n_estimators = 100;
  /// Whether each tree sees rows drawn with replacement, or all rows.
  bool bootstrap = true;
  /// Rows drawn for each tree; absent: as many as there are. Needs bootstrap.
  std::optional<CountOrFraction> max_samples;
  /// Whether each row is predicted by the trees that did not see it. Needs bootstrap.
  bool oob_score = false;
  /// Whether a further fit keeps the trees that there are.
  bool warm_start = false;
  /// What limits each tree.
  TreeOptions tree;
};

extern template class ForestEstimator<Estimator, RandomForestOptions>;
extern template class ForestEstimator<Classifier, RandomForestOptions>;
using RandomForestRegressor = ForestRegressor<RandomForestOptions>;
using RandomForestClassifier = ForestClassifier<RandomForestOptions>;

}  // namespace mutirao::models
