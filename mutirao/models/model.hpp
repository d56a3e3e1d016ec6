#pragma once

// A fitted model with its preprocessing, and the file that keeps it.
//
// Purpose: what a training run saves and `mutirao predict` reads: table in, predictions out.
// Guarantees: predictions after load() are those before save(), bit for bit. A file is written
// whole or not at all. Reading one verifies every byte first and never runs anything from it.
// Thread safety: const members from any thread. Failure: core::IoError; core::CorruptFile for a
// file that is cut short, damaged, none of ours, or of a newer version (it says which); what
// data::FeatureEncoder throws for a table that does not fit. Lifetime: a loaded model maps its
// file, which may be deleted meanwhile.
//
//   Model model(encoder, std::move(forest), {.target = "price", .seed = 7});
//   model.save("forest.mutirao");
//   std::vector<double> prices = Model::load("forest.mutirao").predict(table);

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mutirao/data/class_labels.hpp"
#include "mutirao/data/feature_encoder.hpp"
#include "mutirao/data/feature_selection.hpp"
#include "mutirao/data/table.hpp"
#include "mutirao/models/estimator.hpp"

namespace mutirao::models {

/// What a model says of itself besides its numbers.
struct ModelInfo {
  std::string target;
  data::Task task = data::Task::kRegression;
  std::uint64_t seed = 0;
  std::uint64_t training_rows = 0;
  /// The version of mutirao that wrote the file; set by save().
  std::string version;
  /// The column that names the rows, if the user said so.
  std::optional<std::string> id = std::nullopt;
  /// Classifiers: the labels of the classes that they predict the indices of; regression: none.
  data::ClassLabels classes = {};
};

class Model {
 public:
  /// `estimator` must be fitted on what `encoder` makes; a classifier whose labels are not given is
  /// said to tell 0, 1, ... apart.
  Model(data::FeatureEncoder encoder, std::shared_ptr<const Estimator> estimator, ModelInfo info);

  const data::FeatureEncoder& encoder() const noexcept { return encoder_; }
  const Estimator& estimator() const noexcept { return *estimator_; }
  const ModelInfo& info() const noexcept { return info_; }
  /// "random_forest".
  std::string_view name() const noexcept { return estimator_->name(); }
  /// The columns that a table must have.
  std::vector<std::string> input_columns() const { return encoder_.input_columns(); }

  /// One prediction per row, in order: for a classifier the index of the class, whose label
  /// info().classes has. `budget` null: the program's.
  std::vector<double> predict(const data::Table& table, exec::CoreBudget* budget = nullptr) const;
  /// n_rows x n_classes, row-major; core::InvalidArgument for a model that predicts numbers.
  std::vector<double> predict_proba(const data::Table& table,
                                    exec::CoreBudget* budget = nullptr) const;

  /// Writes the file whole (a temporary one, synced, then renamed) or leaves what was there.
  void save(const std::string& path) const;
  static Model load(const std::string& path);

 private:
  data::FeatureEncoder encoder_;
  std::shared_ptr<const Estimator> estimator_;
  ModelInfo info_;
};

}  // namespace mutirao::models
