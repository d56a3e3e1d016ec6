#pragma once

// Extremely randomised trees (Geurts, Ernst, Wehenkel 2006): forests whose thresholds are drawn.
//
// Purpose: scikit-learn's ExtraTreesRegressor and ExtraTreesClassifier, sooner. Guarantees: a node
// draws one threshold per feature that it looks at, uniform between the least and the largest value
// in the node, and takes the best of these splits; missing values go to the side where they gain
// more. All else is as in models/forest.hpp; each tree sees all rows unless bootstrap is set.
//
//   ExtraTreesRegressor trees({.n_estimators = 100});
//   trees.fit(x, y);

#include <cstdint>
#include <optional>
#include <string_view>

#include "mutirao/models/decision_tree.hpp"
#include "mutirao/models/forest.hpp"

namespace mutirao::models {

/// Names and defaults are scikit-learn's; what is not explained here is as in RandomForestOptions.
struct ExtraTreesOptions {
  static constexpr std::string_view kName = "extra_trees";

  std::int64_t n_estimators = 100;
  bool bootstrap = false;
  std::optional<CountOrFraction> max_samples;
  bool oob_score = false;
  bool warm_start = false;
  TreeOptions tree;
};

extern template class ForestEstimator<Estimator, ExtraTreesOptions>;
extern template class ForestEstimator<Classifier, ExtraTreesOptions>;
using ExtraTreesRegressor = ForestRegressor<ExtraTreesOptions>;
using ExtraTreesClassifier = ForestClassifier<ExtraTreesOptions>;

}  // namespace mutirao::models
