#include "mutirao/models/gradient_boosting.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/boosted_trees.hpp"
#include "mutirao/models/internal/boosting_parameters.hpp"
#include "mutirao/models/internal/exponential.hpp"
#include "mutirao/models/internal/training_rows.hpp"
#include "mutirao/models/internal/xgboost.hpp"

namespace mutirao::models {
namespace {

/// Targets farther from their mean are scaled: their squares would not be floats.
constexpr double kMostUnscaled = 1e15;

std::map<std::string, std::string> xgboost_parameters(const GradientBoostingOptions& options,
                                                      std::uint64_t seed, double scale) {
  return {{"booster", "gbtree"},
          {"tree_method", "hist"},
          {"nthread", "1"},
          {"seed", std::to_string(seed & 0x7fffffffU)},
          {"disable_default_eval_metric", "1"},
          {"eta", text_of(options.learning_rate)},
          {"max_depth", text_of(options.max_depth)},
          {"min_child_weight", text_of(options.min_child_weight)},
          {"gamma", text_of(options.gamma / scale / scale)},
          {"subsample", text_of(options.subsample)},
          {"colsample_bytree", text_of(options.colsample_bytree)},
          {"lambda", text_of(options.reg_lambda)},
          {"alpha", text_of(options.reg_alpha / scale)},
          {"max_bin", text_of(options.max_bin)}};
}

}  // namespace

GradientBoostingRegressor::GradientBoostingRegressor(Options options) : options_(options) {
  internal::check_options(kName, internal::gradient_boosting_parameters(), options_);
}

void GradientBoostingRegressor::fit(const TrainingSet& training, const FitContext& context) {
  check(training);
  long double sum = 0.0L;
  long double total = 0.0L;
  internal::for_each_row(training, [&](std::size_t row, double weight) {
    sum += static_cast<long double>(weight) * training.y[row];
    total += weight;
  });
  internal::BoostingTask task{.rounds = options_.n_estimators,
                              .shift = static_cast<double>(sum / total)};
  long double farthest = 0.0L;
  internal::for_each_row(training, [&](std::size_t row, double) {
    farthest = std::max(farthest, std::abs(static_cast<long double>(training.y[row]) - task.shift));
  });
  if (farthest > kMostUnscaled) {
    // Half of it, as the whole may be more than a double holds.
    task.scale = static_cast<double>(farthest / 2.0L);
    task.shift = std::clamp(task.shift, -8e307, 8e307);
  }
  task.parameters = xgboost_parameters(options_, context.seed, task.scale);
  task.parameters["objective"] = "reg:squarederror";
  task.parameters["base_score"] = "0";
  trees_ = std::make_shared<const internal::BoostedTrees>(internal::boost(training, task, context));
}

std::size_t GradientBoostingRegressor::n_features() const noexcept {
  return trees_ == nullptr ? 0 : trees_->n_features();
}

ParameterMap GradientBoostingRegressor::parameters() const {
  return internal::write_parameters(internal::gradient_boosting_parameters(), options_);
}

std::unique_ptr<Estimator> GradientBoostingRegressor::clone() const {
  return std::make_unique<GradientBoostingRegressor>(options_);
}

void GradientBoostingRegressor::predict_rows(data::MatrixView x,
                                             std::optional<std::span<const std::uint32_t>> rows,
                                             std::span<double> out,
                                             exec::CoreBudget& budget) const {
  trees_->add_up(x, rows, out, budget);
}

void GradientBoostingRegressor::save(SectionWriter& writer) const { trees_->save(writer); }

void GradientBoostingRegressor::load(const SectionReader& reader) {
  auto trees = std::make_shared<const internal::BoostedTrees>(reader);
  if (trees->outputs() != 1) throw core::CorruptFile("the boosted trees have several outputs");
  trees_ = std::move(trees);
}

GradientBoostingClassifier::GradientBoostingClassifier(Options options) : options_(options) {
  internal::check_options(kName, internal::gradient_boosting_parameters(), options_);
}

void GradientBoostingClassifier::fit(const TrainingSet& training, const FitContext& context) {
  const std::size_t classes = check_classes(training);
  if (classes < 2) {
    throw core::InvalidInput("gradient boosting needs two classes, and all rows are of class 0",
                             "give rows of another class, too");
  }
  internal::BoostingTask task{
      .rounds = options_.n_estimators, .outputs = classes == 2 ? 1 : classes, .n_classes = classes};
  task.parameters = xgboost_parameters(options_, context.seed, 1.0);
  task.parameters["objective"] = classes == 2 ? "binary:logistic" : "multi:softprob";
  if (classes > 2) task.parameters["num_class"] = std::to_string(classes);
  trees_ = std::make_shared<const internal::BoostedTrees>(internal::boost(training, task, context));
}

std::size_t GradientBoostingClassifier::n_classes() const noexcept {
  return trees_ == nullptr ? 0 : std::max<std::size_t>(2, trees_->outputs());
}

std::size_t GradientBoostingClassifier::n_features() const noexcept {
  return trees_ == nullptr ? 0 : trees_->n_features();
}

ParameterMap GradientBoostingClassifier::parameters() const {
  return internal::write_parameters(internal::gradient_boosting_parameters(), options_);
}

std::unique_ptr<Estimator> GradientBoostingClassifier::clone() const {
  return std::make_unique<GradientBoostingClassifier>(options_);
}

void GradientBoostingClassifier::predict_proba_rows(
    data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows, std::span<double> out,
    exec::CoreBudget& budget) const {
  const std::size_t outputs = trees_->outputs();
  const std::size_t n = out.size() / n_classes();
  std::vector<double> scores(n * outputs);
  trees_->add_up(x, rows, scores, budget);
  for (std::size_t i = 0; i < n; ++i) {
    double* row = out.data() + i * n_classes();
    if (outputs == 1) {
      const double small = internal::exp_of_negative(-std::abs(scores[i]));
      const double likely = 1.0 / (1.0 + small);
      row[1] = scores[i] >= 0.0 ? likely : small * likely;
      row[0] = scores[i] >= 0.0 ? small * likely : likely;
      continue;
    }
    const double* score = scores.data() + i * outputs;
    const double highest = *std::max_element(score, score + outputs);
    double sum = 0.0;
    for (std::size_t c = 0; c < outputs; ++c)
      sum += row[c] = internal::exp_of_negative(score[c] - highest);
    for (std::size_t c = 0; c < outputs; ++c) row[c] /= sum;
  }
}

void GradientBoostingClassifier::save(SectionWriter& writer) const { trees_->save(writer); }

void GradientBoostingClassifier::load(const SectionReader& reader) {
  auto trees = std::make_shared<const internal::BoostedTrees>(reader);
  if (trees->outputs() == 2) throw core::CorruptFile("the boosted trees have two outputs");
  trees_ = std::move(trees);
}

}  // namespace mutirao::models
