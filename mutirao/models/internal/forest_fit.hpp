#pragma once

// How trees are fitted, one or many: what all estimators made of trees do alike.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "mutirao/models/decision_tree.hpp"
#include "mutirao/models/estimator.hpp"
#include "mutirao/models/forest.hpp"
#include "mutirao/models/internal/coded_rows.hpp"
#include "mutirao/models/internal/parameter_table.hpp"
#include "mutirao/models/internal/row_tables.hpp"
#include "mutirao/models/internal/sections.hpp"
#include "mutirao/models/internal/tree_grower.hpp"
#include "mutirao/models/internal/tree_options.hpp"

namespace mutirao::models::internal {

/// The criterion by its name in TreeOptions.
Impurity impurity_of(const TreeOptions& options);

/// A training set in the forms that its trees need.
class TreeTables {
 public:
  /// `one_tree`: that it is grown on several threads.
  TreeTables(const TrainingSet& training, const WeightedRows& rows, std::size_t n_classes,
             const TreeOptions& options, const GrowthLimits& limits, bool random_thresholds,
             bool one_tree, exec::CoreBudget& budget, std::size_t max_cores);

  const LevelOrders& levels() const noexcept { return levels_; }
  TreeTask task(const WeightedRows& rows, std::uint64_t seed, std::stop_token stop) const;

 private:
  const TrainingSet& training_;
  std::size_t n_classes_;
  Impurity impurity_;
  LevelOrders levels_;
  std::optional<RankedMatrix> own_ranks_;
  const RankedMatrix* ranked_ = nullptr;
  std::unique_ptr<const CodedRows> coded_;
  std::optional<RowRanks> row_ranks_;
  std::optional<RowValues> row_values_;
};

/// Multiplies the weights by n_rows / (classes that are there x rows of the class). `times`: how
/// often each row counts; empty: once.
void balance(WeightedRows& rows, std::span<const double> y, std::size_t n_classes,
             std::span<const std::uint32_t> times = {});

/// What is the same for all forests.
struct ForestSettings {
  std::string_view name;  ///< for messages
  std::int64_t n_estimators = 100;
  bool bootstrap = true;
  const std::optional<CountOrFraction>* max_samples = nullptr;
  bool oob_score = false;
  const TreeOptions* tree = nullptr;
  bool random_thresholds = false;
};

template <class Options>
ForestSettings settings_of(const Options& options, std::string_view name,
                           bool random_thresholds) noexcept {
  return {.name = name,
          .n_estimators = options.n_estimators,
          .bootstrap = options.bootstrap,
          .max_samples = &options.max_samples,
          .oob_score = options.oob_score,
          .tree = &options.tree,
          .random_thresholds = random_thresholds};
}

/// The options with what they leave to the estimator; throws for what cannot be used.
template <class Options>
Options checked_forest_options(Options options, const std::vector<Parameter<Options>>& table,
                               std::string_view name, data::Task task) {
  const auto refuse = [&](const char* parameter, const std::string& value, const char* complaint) {
    for (const auto& each : table) {
      if (each.info.name == parameter) throw_bad_value(name, each.info, value, complaint);
    }
  };
  if (options.n_estimators < 1)
    refuse("n_estimators", text_of(options.n_estimators), "is out of range");
  if (options.max_samples) {
    const std::string text = text_of(*options.max_samples);
    if (!options.bootstrap) refuse("max_samples", text, "is given without bootstrap");
    const auto* count = std::get_if<std::int64_t>(&*options.max_samples);
    const double fraction = count == nullptr ? std::get<double>(*options.max_samples) : 1.0;
    if ((count != nullptr && *count < 1) || !(fraction > 0.0 && fraction <= 1.0))
      refuse("max_samples", text, "is out of range");
  }
  if (options.oob_score && !options.bootstrap)
    refuse("oob_score", "true", "is given without bootstrap");
  options.tree = checked_options(std::move(options.tree), name, task, true);
  return options;
}

Forest load_forest(const SectionReader& reader, data::Task task);

/// Fits all trees; with `grown`, those that it lacks. n_classes 0: regression.
Forest fit_forest(const ForestSettings& settings, const TrainingSet& training,
                  const FitContext& context, std::size_t n_classes, const Forest* grown);

}  // namespace mutirao::models::internal
