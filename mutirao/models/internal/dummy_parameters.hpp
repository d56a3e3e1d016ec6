#pragma once

#include <vector>

#include "mutirao/models/dummy.hpp"
#include "mutirao/models/internal/parameter_builders.hpp"

namespace mutirao::models::internal {

inline const std::vector<Parameter<DummyRegressorOptions>>& dummy_regressor_parameters() {
  static const std::vector<Parameter<DummyRegressorOptions>> all = {
      choice("strategy", &DummyRegressorOptions::strategy, {"mean", "median"},
             "what is predicted for every row"),
  };
  return all;
}

inline const std::vector<Parameter<DummyClassifierOptions>>& dummy_classifier_parameters() {
  static const std::vector<Parameter<DummyClassifierOptions>> all = {
      choice("strategy", &DummyClassifierOptions::strategy, {"prior", "most_frequent"},
             "probabilities: the shares of the classes, or 1 for the commonest"),
  };
  return all;
}

}  // namespace mutirao::models::internal
