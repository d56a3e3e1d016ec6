#include "mutirao/models/extra_trees.hpp"

#include <utility>

#include "mutirao/models/internal/forest_fit.hpp"
#include "mutirao/models/internal/parameter_table.hpp"
#include "mutirao/models/internal/sections.hpp"

namespace mutirao::models {

ExtraTreesRegressor::ExtraTreesRegressor(Options options)
    : options_(internal::checked_forest_options(
          std::move(options), internal::extra_trees_parameters(), name(), task())) {}

void ExtraTreesRegressor::set_n_estimators(std::int64_t n_estimators) {
  Options options = options_;
  options.n_estimators = n_estimators;
  options_ = internal::checked_forest_options(std::move(options),
                                              internal::extra_trees_parameters(), name(), task());
}

void ExtraTreesRegressor::fit(const TrainingSet& training, const FitContext& context) {
  Estimator::check(training);
  const bool warm = options_.warm_start && fitted();
  forest_ = internal::fit_forest(internal::settings_of(options_, name(), true), training, context,
                                 0, warm ? &forest_ : nullptr);
}

ParameterMap ExtraTreesRegressor::parameters() const {
  return internal::write_parameters(internal::extra_trees_parameters(), options_);
}

std::unique_ptr<Estimator> ExtraTreesRegressor::clone() const {
  return std::make_unique<ExtraTreesRegressor>(options_);
}

void ExtraTreesRegressor::predict_rows(data::MatrixView x,
                                       std::optional<std::span<const std::uint32_t>> rows,
                                       std::span<double> out, exec::CoreBudget& budget) const {
  nodes().predict_mean(x, rows, out, budget);
}

void ExtraTreesRegressor::save(SectionWriter& writer) const {
  internal::save_trees(writer, nodes(), forest_.importances);
}

void ExtraTreesRegressor::load(const SectionReader& reader) {
  forest_ = internal::load_forest(reader, task());
}

ExtraTreesClassifier::ExtraTreesClassifier(Options options)
    : options_(internal::checked_forest_options(
          std::move(options), internal::extra_trees_classifier_parameters(), name(), task())) {}

void ExtraTreesClassifier::set_n_estimators(std::int64_t n_estimators) {
  Options options = options_;
  options.n_estimators = n_estimators;
  options_ = internal::checked_forest_options(
      std::move(options), internal::extra_trees_classifier_parameters(), name(), task());
}

void ExtraTreesClassifier::fit(const TrainingSet& training, const FitContext& context) {
  const std::size_t n_classes = check_classes(training);
  const bool warm = options_.warm_start && fitted();
  forest_ = internal::fit_forest(internal::settings_of(options_, name(), true), training, context,
                                 n_classes, warm ? &forest_ : nullptr);
}

ParameterMap ExtraTreesClassifier::parameters() const {
  return internal::write_parameters(internal::extra_trees_classifier_parameters(), options_);
}

std::unique_ptr<Estimator> ExtraTreesClassifier::clone() const {
  return std::make_unique<ExtraTreesClassifier>(options_);
}

void ExtraTreesClassifier::predict_proba_rows(data::MatrixView x,
                                              std::optional<std::span<const std::uint32_t>> rows,
                                              std::span<double> out,
                                              exec::CoreBudget& budget) const {
  nodes().predict_distributions(x, rows, out, budget);
}

void ExtraTreesClassifier::save(SectionWriter& writer) const {
  internal::save_trees(writer, nodes(), forest_.importances);
}

void ExtraTreesClassifier::load(const SectionReader& reader) {
  forest_ = internal::load_forest(reader, task());
}

}  // namespace mutirao::models
