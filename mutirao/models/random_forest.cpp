#include "mutirao/models/random_forest.hpp"

#include <utility>

#include "mutirao/models/internal/forest_fit.hpp"
#include "mutirao/models/internal/parameter_table.hpp"
#include "mutirao/models/internal/sections.hpp"

namespace mutirao::models {

RandomForestRegressor::RandomForestRegressor(Options options)
    : options_(internal::checked_forest_options(
          std::move(options), internal::random_forest_parameters(), name(), task())) {}

void RandomForestRegressor::set_n_estimators(std::int64_t n_estimators) {
  Options options = options_;
  options.n_estimators = n_estimators;
  options_ = internal::checked_forest_options(std::move(options),
                                              internal::random_forest_parameters(), name(), task());
}

void RandomForestRegressor::fit(const TrainingSet& training, const FitContext& context) {
  Estimator::check(training);
  const bool warm = options_.warm_start && fitted();
  forest_ = internal::fit_forest(internal::settings_of(options_, name(), false), training, context,
                                 0, warm ? &forest_ : nullptr);
}

ParameterMap RandomForestRegressor::parameters() const {
  return internal::write_parameters(internal::random_forest_parameters(), options_);
}

std::unique_ptr<Estimator> RandomForestRegressor::clone() const {
  return std::make_unique<RandomForestRegressor>(options_);
}

void RandomForestRegressor::predict_rows(data::MatrixView x,
                                         std::optional<std::span<const std::uint32_t>> rows,
                                         std::span<double> out, exec::CoreBudget& budget) const {
  nodes().predict_mean(x, rows, out, budget);
}

void RandomForestRegressor::save(SectionWriter& writer) const {
  internal::save_trees(writer, nodes(), forest_.importances);
}

void RandomForestRegressor::load(const SectionReader& reader) {
  forest_ = internal::load_forest(reader, task());
}

RandomForestClassifier::RandomForestClassifier(Options options)
    : options_(internal::checked_forest_options(
          std::move(options), internal::random_forest_classifier_parameters(), name(), task())) {}

void RandomForestClassifier::set_n_estimators(std::int64_t n_estimators) {
  Options options = options_;
  options.n_estimators = n_estimators;
  options_ = internal::checked_forest_options(
      std::move(options), internal::random_forest_classifier_parameters(), name(), task());
}

void RandomForestClassifier::fit(const TrainingSet& training, const FitContext& context) {
  const std::size_t n_classes = check_classes(training);
  const bool warm = options_.warm_start && fitted();
  forest_ = internal::fit_forest(internal::settings_of(options_, name(), false), training, context,
                                 n_classes, warm ? &forest_ : nullptr);
}

ParameterMap RandomForestClassifier::parameters() const {
  return internal::write_parameters(internal::random_forest_classifier_parameters(), options_);
}

std::unique_ptr<Estimator> RandomForestClassifier::clone() const {
  return std::make_unique<RandomForestClassifier>(options_);
}

void RandomForestClassifier::predict_proba_rows(data::MatrixView x,
                                                std::optional<std::span<const std::uint32_t>> rows,
                                                std::span<double> out,
                                                exec::CoreBudget& budget) const {
  nodes().predict_distributions(x, rows, out, budget);
}

void RandomForestClassifier::save(SectionWriter& writer) const {
  internal::save_trees(writer, nodes(), forest_.importances);
}

void RandomForestClassifier::load(const SectionReader& reader) {
  forest_ = internal::load_forest(reader, task());
}

}  // namespace mutirao::models
