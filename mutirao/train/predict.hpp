#pragma once

// Predictions for new data with a saved model.
//
// Purpose: what `mutirao predict` does. Guarantees: one prediction per row, in the order of the
// rows; zero rows give zero predictions. Thread safety: any thread. Failure: core::InvalidInput for
// data that lacks a column or holds another kind of value, core::CorruptFile for a damaged model,
// core::InvalidArgument for a model that the run does not have. Lifetime: nothing stays open.
//
//   std::string file = model_file_of("runs/diamonds-...", "");
//   data::Table predictions = predict(file, "new.csv").table;

#include <string>
#include <vector>

#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

#include "mutirao/data/table.hpp"

namespace mutirao::train {

struct Predictions {
  /// The id column, if training was given one, then "prediction"; for classes that is the label,
  /// and a column "probability_<label>" follows for each of them.
  data::Table table;
  /// Columns of the data that the model does not use.
  std::vector<std::string> ignored;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(table, ignored);
  }
};

/// The model file that `run_or_model` means: itself, or the best model of a run folder, or its
/// model called `name` if that is not empty.
std::string model_file_of(const std::string& run_or_model, const std::string& name);

/// Reads the model and the data, and predicts. A task for an executor as it is.
Predictions predict(const std::string& model_file, const std::string& data);

}  // namespace mutirao::train
