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

/// Scores means by what the metric says of them.
class ByMetric {
 public:
  ByMetric(const std::vector<std::span<const double>>& predictions, const ScoredRows& rows,
           const Metric& metric)
      : predictions_(predictions),
        rows_(rows),
        metric_(metric),
        sum_(predictions.front().size(), 0.0) {}

  /// The mean of `count` models: those that were added, and each of all models.
  std::vector<double> good(std::size_t count) const {
    std::vector<double> good(predictions_.size());
    exec::CoreBudget::current().for_each(good.size(), [&](std::size_t model, std::size_t) {
      std::vector<double> mean(sum_.size());
      for (std::size_t i = 0; i < mean.size(); ++i)
        mean[i] = (sum_[i] + predictions_[model][i]) / static_cast<double>(count);
      good[model] = goodness(mean, rows_, metric_);
    });
    return good;
  }
  void add(std::size_t model) {
    for (std::size_t i = 0; i < sum_.size(); ++i) sum_[i] += predictions_[model][i];
  }

 private:
  const std::vector<std::span<const double>>& predictions_;
  const ScoredRows& rows_;
  const Metric& metric_;
  std::vector<double> sum_;
};

// Note [Squares of means are sums of products]
// The error of a mean is the mean of the errors, so its sum of squares is a sum of products of two
// models' errors, over the square of the count. With these products, which take one pass over the
// rows, a round takes no more than one look at each model. r2 and the root of the mean squared
// error put means in the same order as the sum of squares.
class BySquares {
 public:
  static bool serves(const Metric& metric) {
    using Compute = decltype(metric.compute);
    return metric.compute == static_cast<Compute>(&r2_score) ||
           metric.compute == static_cast<Compute>(&root_mean_squared_error);
  }

  BySquares(const std::vector<std::span<const double>>& predictions, const ScoredRows& rows)
      : products_(predictions.size(), std::vector<double>(predictions.size())),
        with_sum_(predictions.size(), 0.0) {
    std::vector<std::vector<double>> errors(predictions.size());
    auto& budget = exec::CoreBudget::current();
    budget.for_each(predictions.size(), [&](std::size_t model, std::size_t) {
      for (std::size_t row = 0; row < rows.y_true.size(); ++row) {
        const double weight = rows.sample_weight.empty() ? 1.0 : rows.sample_weight[row];
        if (weight == 0.0) continue;
        errors[model].push_back(std::sqrt(weight) * (predictions[model][row] - rows.y_true[row]));
      }
    });
    budget.for_each(predictions.size(), [&](std::size_t a, std::size_t) {
      for (std::size_t b = 0; b < predictions.size(); ++b) {
        // Both orders of two models are multiplied row by row in the same order: the same sum.
        double sum = 0.0;
        for (std::size_t row = 0; row < errors[a].size(); ++row)
          sum += errors[a][row] * errors[b][row];
        products_[a][b] = sum;
      }
    });
  }

  std::vector<double> good(std::size_t count) const {
    std::vector<double> good;
    const auto number = static_cast<double>(count);
    for (std::size_t model = 0; model < with_sum_.size(); ++model) {
      const double squares = squares_ + 2.0 * with_sum_[model] + products_[model][model];
      good.push_back(std::isnan(squares) ? -std::numeric_limits<double>::infinity()
                                         : -squares / (number * number));
    }
    return good;
  }
  void add(std::size_t model) {
    squares_ += 2.0 * with_sum_[model] + products_[model][model];
    for (std::size_t other = 0; other < with_sum_.size(); ++other)
      with_sum_[other] += products_[model][other];
  }

 private:
  std::vector<std::vector<double>> products_;  // of two models' errors
  std::vector<double> with_sum_;               // of each model and the sum of those added
  double squares_ = 0.0;                       // of that sum
};

template <class Scores>
std::vector<double> select(Scores scores, std::size_t models, std::size_t rounds) {
  std::vector<std::size_t> added(models, 0);
  std::vector<std::size_t> best_added;
  std::size_t best_count = 0;
  double best = -std::numeric_limits<double>::infinity();
  for (std::size_t count = 1; count <= std::max<std::size_t>(1, rounds); ++count) {
    const std::vector<double> good = scores.good(count);
    const auto winner =
        static_cast<std::size_t>(std::max_element(good.begin(), good.end()) - good.begin());
    scores.add(winner);
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
  const std::vector<double> first(predictions.front().begin(), predictions.front().end());
  if (BySquares::serves(metric) && std::isfinite(goodness(first, rows, metric)))
    return select(BySquares(predictions, rows), predictions.size(), options.rounds);
  return select(ByMetric(predictions, rows, metric), predictions.size(), options.rounds);
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
