#pragma once

// A fitted model, with its preprocessing, as an ONNX file: what other programs predict with.
//
// Purpose: what `mutirao export` writes, for ONNX Runtime and whatever else reads ONNX. Inputs: one
// for each column that the model needs, of its name, n_rows x 1: numbers and booleans float64 with
// NaN for missing, dates float64 seconds since 1970-01-01 UTC, text and categories string with the
// empty string for missing (unless training had an empty text). Outputs are named as the columns
// that `mutirao predict` writes, n_rows x 1: "prediction" (float64; for classes of the type of
// their labels) and for each class "probability_<label>" (float64).
// Guarantees: every tree takes the branches that it takes here, for every float64 input.
// Predictions are those of Model::predict() rounded to float32, where trees add up; a class is the
// same unless two probabilities are equal to that precision. Needs: operators of 2022 (opset 17,
// ai.onnx.ml 3, IR version 8: ONNX Runtime 1.12 and later). Failure: core::InvalidInput for an
// estimator that ONNX cannot express (k_neighbors), a column called as an output is, and more
// than 2.1 GB. Thread safety: pure function.
//
//   core::AtomicFile file("forest.onnx");
//   file.write(to_onnx(Model::load("forest.mutirao")));
//   file.commit();

#include <string>

#include "mutirao/models/model.hpp"

namespace mutirao::models {

/// The bytes of the file.
std::string to_onnx(const Model& model);

}  // namespace mutirao::models
