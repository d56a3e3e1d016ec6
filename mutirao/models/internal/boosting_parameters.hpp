#pragma once

#include <vector>

#include "mutirao/models/gradient_boosting.hpp"
#include "mutirao/models/internal/parameter_builders.hpp"

namespace mutirao::models::internal {

inline const std::vector<Parameter<GradientBoostingOptions>>& gradient_boosting_parameters() {
  using Options = GradientBoostingOptions;
  static const std::vector<Parameter<Options>> all = {
      integer("n_estimators", &Options::n_estimators,
              {.least = 1.0, .most = 1e6, .text = "1 to 1000000"}, "rounds of trees"),
      real("learning_rate", &Options::learning_rate, kAboveZeroToOne, "what a new tree counts"),
      integer("max_depth", &Options::max_depth, {.least = 1.0, .most = 30.0, .text = "1 to 30"},
              "levels of splits of a tree at most"),
      real("min_child_weight", &Options::min_child_weight, kAtLeastZero,
           "sum of second derivatives that a leaf must have"),
      real("gamma", &Options::gamma, kAtLeastZero, "what a split must gain"),
      real("subsample", &Options::subsample, kAboveZeroToOne, "share of rows that a tree sees"),
      real("colsample_bytree", &Options::colsample_bytree, kAboveZeroToOne,
           "share of features that a tree sees"),
      real("reg_lambda", &Options::reg_lambda, kAtLeastZero, "penalty on squared leaf values"),
      real("reg_alpha", &Options::reg_alpha, kAtLeastZero, "penalty on absolute leaf values"),
      integer("max_bin", &Options::max_bin, {.least = 2.0, .most = 65536.0, .text = "2 to 65536"},
              "thresholds of a feature at most"),
  };
  return all;
}

}  // namespace mutirao::models::internal
