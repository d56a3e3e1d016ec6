#include "mutirao/models/ensemble_selection.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/exec/core_budget.hpp"

namespace mutirao::models {
namespace {

/// The metric's value, the larger the better; the least of all where it is not defined.
double goodness(const std::vector<double>& predictions, const ScoredRows& rows,
                const Metric& metric) {
  ScoredRows scored = rows;
  std::vector<double> classes;
  if (rows.n_classes > 0) {
    classes = likeliest_classes(predictions, rows.n_classes);
    scored.y_pred = classes;
    scored.probabilities = predictions;
  } else {
    scored.y_pred = predictions;
  }
  const double value = metric.compute(scored);
  if (std::isnan(value)) return -std::numeric_limits<double>::infinity();
  return metric.greater_is_better ? value : -value;
}

}  // namespace

std::vector<double> select_ensemble(const std::vector<std::span<const double>>& predictions,
                                    const ScoredRows& rows, const Metric& metric,
                                    const EnsembleSelectionOptions& options) {
  if (predictions.empty()) throw core::InvalidArgument("there is no model to select from");
  const std::size_t values = rows.y_true.size() * std::max<std::size_t>(1, rows.n_classes);
  for (const std::span<const double> each : predictions) {
    if (each.size() != values) {
      throw core::InvalidArgument(fmt::format(
          "an ensemble needs {} predictions of each model, not {}", values, each.size()));
    }
  }
  const std::size_t models = predictions.size();
  std::vector<double> sum(values, 0.0);
  std::vector<std::size_t> added(models, 0);
  std::vector<std::size_t> best_added;
  std::size_t best_count = 0;
  double best = -std::numeric_limits<double>::infinity();
  for (std::size_t count = 1; count <= std::max<std::size_t>(1, options.rounds); ++count) {
    std::vector<double> good(models);
    exec::CoreBudget::current().for_each(models, [&](std::size_t model, std::size_t) {
      std::vector<double> mean(values);
      for (std::size_t i = 0; i < values; ++i)
        mean[i] = (sum[i] + predictions[model][i]) / static_cast<double>(count);
      good[model] = goodness(mean, rows, metric);
    });
    const auto winner =
        static_cast<std::size_t>(std::max_element(good.begin(), good.end()) - good.begin());
    for (std::size_t i = 0; i < values; ++i) sum[i] += predictions[winner][i];
    ++added[winner];
    if (best_count == 0 || good[winner] > best) {
      best = good[winner];
      best_added = added;
      best_count = count;
    }
  }
  std::vector<double> weights;
  for (const std::size_t times : best_added)
    weights.push_back(static_cast<double>(times) / static_cast<double>(best_count));
  return weights;
}

std::vector<double> blended(const std::vector<std::span<const double>>& predictions,
                            std::span<const double> weights) {
  std::vector<double> mean(predictions.empty() ? 0 : predictions.front().size(), 0.0);
  for (std::size_t model = 0; model < predictions.size(); ++model) {
    if (weights[model] == 0.0) continue;
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += weights[model] * predictions[model][i];
  }
  return mean;
}

std::vector<double> likeliest_classes(std::span<const double> probabilities,
                                      std::size_t n_classes) {
  std::vector<double> classes;
  classes.reserve(probabilities.size() / n_classes);
  for (std::size_t first = 0; first < probabilities.size(); first += n_classes) {
    const auto of_row = probabilities.subspan(first, n_classes);
    classes.push_back(
        static_cast<double>(std::max_element(of_row.begin(), of_row.end()) - of_row.begin()));
  }
  return classes;
}

}  // namespace mutirao::models
