#include "mutirao/train/internal/ensemble.hpp"

#include <chrono>
#include <limits>
#include <memory>
#include <utility>

#include "mutirao/core/clock.hpp"
#include "mutirao/core/process.hpp"
#include "mutirao/data/splits.hpp"
#include "mutirao/models/blended_model.hpp"
#include "mutirao/models/ensemble_selection.hpp"
#include "mutirao/models/metrics.hpp"

namespace mutirao::train::internal {
namespace {

/// Some rows of the data, and what every candidate predicts for them.
struct PredictedRows {
  std::vector<double> truth;
  std::vector<double> weights;  // empty: all 1
  std::vector<std::vector<double>> predictions;

  std::vector<std::span<const double>> spans() const {
    return {predictions.begin(), predictions.end()};
  }
};

PredictedRows take(const EnsembleTask& task, const PreparedData& data,
                   const std::vector<std::uint32_t>& rows) {
  const std::size_t width = std::max<std::size_t>(1, data.classes.size());
  PredictedRows taken;
  for (const std::uint32_t row : rows) {
    taken.truth.push_back(data.y[row]);
    if (!data.weights.empty()) taken.weights.push_back(data.weights[row]);
  }
  for (const core::SharedArray<double>& all : task.predictions) {
    std::vector<double>& values = taken.predictions.emplace_back();
    for (const std::uint32_t row : rows) {
      const auto of_row = all.span().subspan(row * width, width);
      values.insert(values.end(), of_row.begin(), of_row.end());
    }
  }
  return taken;
}

models::ScoredRows scored(const PredictedRows& rows, const PreparedData& data) {
  return {.y_true = rows.truth,
          .sample_weight = rows.weights,
          .n_classes = data.classes.size(),
          .positive = data.positive};
}

/// Learned from the tested rows of all folds that `learned_from` holds for.
template <class Condition>
std::vector<double> learn_weights(const EnsembleTask& task, const PreparedData& data,
                                  Condition learned_from) {
  std::vector<std::uint32_t> rows;
  for (std::uint32_t row = 0; row < data.rows(); ++row) {
    const std::uint32_t fold = data.fold_numbers[row];
    if (fold != data::kNeverTested && learned_from(fold)) rows.push_back(row);
  }
  if (rows.empty())
    return std::vector<double>(task.labels.size(), 1.0 / static_cast<double>(task.labels.size()));
  const PredictedRows seen = take(task, data, rows);
  return models::select_ensemble(seen.spans(), scored(seen, data),
                                 models::find_metric(task.metric, data.task));
}

void score_folds(const EnsembleTask& task, const PreparedData& data, EnsembleResult& result) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const std::size_t classes = data.classes.size();
  std::vector<double> predictions(data.rows(), kNaN);
  std::vector<double> probabilities(data.rows() * classes, kNaN);
  for (std::uint32_t fold = 0; fold < task.folds; ++fold) {
    const std::vector<double> weights = learn_weights(task, data, [&](std::uint32_t other) {
      return data.learns == data::Learns::kFromEarlier ? other < fold : other != fold;
    });
    const std::vector<std::uint32_t> rows =
        data::split_of(data.fold_numbers.span(), fold, data.learns).test;
    const PredictedRows tested = take(task, data, rows);
    std::vector<double> blended = models::blended(tested.spans(), weights);
    models::ScoredRows judged = scored(tested, data);
    std::vector<double> of_fold;
    if (classes == 0) {
      of_fold = std::move(blended);
    } else {
      of_fold = models::likeliest_classes(blended, classes);
      judged.probabilities = blended;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        for (std::size_t c = 0; c < classes; ++c)
          probabilities[rows[i] * classes + c] = blended[i * classes + c];
      }
    }
    judged.y_pred = of_fold;
    for (std::size_t i = 0; i < rows.size(); ++i) predictions[rows[i]] = of_fold[i];
    std::vector<double>& metrics = result.metrics.emplace_back();
    for (const models::MetricValue& metric : models::all_metrics(judged, data.task))
      metrics.push_back(metric.value);
  }
  result.predictions = core::SharedArray<double>::copy_of(predictions);
  result.probabilities = core::SharedArray<double>::copy_of(probabilities);
}

void save(const EnsembleTask& task, const std::vector<double>& weights) {
  std::vector<models::WeightedModel> members;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0.0) continue;
    members.push_back(
        {.label = task.labels[i],
         .model = std::make_shared<const models::Model>(models::Model::load(task.model_files[i])),
         .weight = weights[i]});
  }
  models::blended_model(members).save(task.path);
}

}  // namespace

EnsembleResult make_ensemble(const EnsembleTask& task, const PreparedData& data) {
  const auto start = std::chrono::steady_clock::now();
  EnsembleResult result;
  score_folds(task, data, result);
  result.cv_seconds = core::seconds_since(start);
  const auto fit_start = std::chrono::steady_clock::now();
  result.weights = learn_weights(task, data, [](std::uint32_t) { return true; });
  save(task, result.weights);
  result.fit_seconds = core::seconds_since(fit_start);
  result.peak_rss_bytes = core::peak_resident_bytes();
  return result;
}

}  // namespace mutirao::train::internal
