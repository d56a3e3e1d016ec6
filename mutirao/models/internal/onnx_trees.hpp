#pragma once

// Trees as ONNX's TreeEnsembleRegressor.

#include <string>

#include "mutirao/models/internal/boosted_trees.hpp"
#include "mutirao/models/internal/onnx_graph.hpp"
#include "mutirao/models/tree_nodes.hpp"

namespace mutirao::models::internal {

/// The float64 that parts float64 values x as `x <= threshold` parts them once x is rounded to
/// float32, values beyond its range to its ends.
double threshold_of_rounded(float threshold) noexcept;
/// The same for `x < threshold`.
double strict_threshold_of_rounded(float threshold) noexcept;

/// The mean over the trees: float32, rows x 1 for regression and for two classes (the probability
/// of the second), else rows x n_classes.
std::string add_trees(OnnxGraph& graph, const std::string& x, const TreeNodes& trees);
/// shift + scale times the sum of the leaves: float32, rows x outputs.
std::string add_trees(OnnxGraph& graph, const std::string& x, const BoostedTrees& trees);

}  // namespace mutirao::models::internal
