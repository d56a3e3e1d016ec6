#pragma once

#include <vector>

#include "mutirao/models/internal/parameter_builders.hpp"
#include "mutirao/models/logistic_regression.hpp"

namespace mutirao::models::internal {

inline const std::vector<Parameter<LogisticRegressionOptions>>& logistic_regression_parameters() {
  using Options = LogisticRegressionOptions;
  static const std::vector<Parameter<Options>> all = {
      choice("penalty", &Options::penalty, {"l2", "none"},
             "l2: the squares of the coefficients cost, too"),
      real("C", &Options::C, kAboveZero, "how much the data counts against the penalty"),
      boolean("fit_intercept", &Options::fit_intercept, "whether each class has a constant"),
      choice("class_weight", &Options::class_weight, {"none", "balanced"},
             "balanced: each class counts the same, whatever its number of rows"),
      real("tol", &Options::tol, kAboveZero, "slope of the objective at which the fit ends"),
      integer("max_iter", &Options::max_iter, kAtLeastOne, "steps at most"),
  };
  return all;
}

}  // namespace mutirao::models::internal
