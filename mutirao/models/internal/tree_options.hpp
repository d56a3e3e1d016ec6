#pragma once

// From the options of a tree to limits in numbers of rows and features.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mutirao/models/decision_tree.hpp"
#include "mutirao/models/estimator.hpp"
#include "mutirao/models/internal/tree_grower.hpp"

namespace mutirao::models::internal {

GrowthLimits limits_for(const TreeOptions& options, std::size_t n_rows, std::size_t n_features);

/// The rows of positive weight to learn from, increasing, and their weights (empty: all 1).
struct WeightedRows {
  std::vector<std::uint32_t> rows;
  std::vector<double> weights;
};
WeightedRows weighted_rows(const TrainingSet& training);

/// Throws unless the ranks, if given, are those of a matrix of x's shape.
void check_ranks(const TrainingSet& training);

}  // namespace mutirao::models::internal
