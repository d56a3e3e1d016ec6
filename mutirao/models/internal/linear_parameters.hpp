#pragma once

#include <vector>

#include "mutirao/models/elastic_net.hpp"
#include "mutirao/models/internal/parameter_builders.hpp"
#include "mutirao/models/ridge.hpp"

namespace mutirao::models::internal {

inline const std::vector<Parameter<RidgeOptions>>& ridge_parameters() {
  static const std::vector<Parameter<RidgeOptions>> all = {
      real("alpha", &RidgeOptions::alpha, kAtLeastZero, "what the square of a coefficient costs"),
      boolean("fit_intercept", &RidgeOptions::fit_intercept,
              "whether a constant is added to the model"),
  };
  return all;
}

/// What Lasso and ElasticNet share.
template <class Options>
void add_descent_parameters(std::vector<Parameter<Options>>& all) {
  all.push_back(boolean("fit_intercept", &Options::fit_intercept,
                        "whether a constant is added to the model"));
  all.push_back(
      integer("max_iter", &Options::max_iter, kAtLeastOne, "passes over the coefficients at most"));
  all.push_back(real("tol", &Options::tol, kAtLeastZero,
                     "duality gap that ends the passes, relative to the target's squares"));
}

inline const std::vector<Parameter<LassoOptions>>& lasso_parameters() {
  static const std::vector<Parameter<LassoOptions>> all = [] {
    std::vector<Parameter<LassoOptions>> made = {
        real("alpha", &LassoOptions::alpha, kAtLeastZero, "what the size of a coefficient costs")};
    add_descent_parameters(made);
    return made;
  }();
  return all;
}

inline const std::vector<Parameter<ElasticNetOptions>>& elastic_net_parameters() {
  static const std::vector<Parameter<ElasticNetOptions>> all = [] {
    std::vector<Parameter<ElasticNetOptions>> made = {
        real("alpha", &ElasticNetOptions::alpha, kAtLeastZero, "weight of both penalties"),
        real("l1_ratio", &ElasticNetOptions::l1_ratio, kFromZeroToOne,
             "share of the penalty that is on sizes, the rest on squares")};
    add_descent_parameters(made);
    return made;
  }();
  return all;
}

}  // namespace mutirao::models::internal
