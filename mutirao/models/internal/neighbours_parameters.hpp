#pragma once

#include <vector>

#include "mutirao/models/internal/parameter_builders.hpp"
#include "mutirao/models/k_neighbors.hpp"

namespace mutirao::models::internal {

inline const std::vector<Parameter<KNeighborsOptions>>& k_neighbors_parameters() {
  static const std::vector<Parameter<KNeighborsOptions>> all = {
      integer("n_neighbors", &KNeighborsOptions::n_neighbors, kAtLeastOne,
              "rows that a prediction is made of"),
      choice("weights", &KNeighborsOptions::weights, {"uniform", "distance"},
             "whether all of them count the same, or near ones more"),
      integer("p", &KNeighborsOptions::p, {.least = 1.0, .most = 2.0, .text = "1 or 2"},
              "distances: 1 adds absolute differences, 2 squares"),
  };
  return all;
}

}  // namespace mutirao::models::internal
