#pragma once

#include <string>

#include "mutirao/data/feature_encoder.hpp"
#include "mutirao/models/internal/onnx_graph.hpp"

namespace mutirao::models::internal {

/// Adds an input for each column of the table, and what the encoder does with them. Gives the name
/// of the matrix: float64, rows x encoder.width(). Nothing may have been added before.
std::string add_features(OnnxGraph& graph, const data::FeatureEncoder& encoder);

}  // namespace mutirao::models::internal
