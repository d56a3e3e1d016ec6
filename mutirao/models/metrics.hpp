#pragma once

// How good predictions are.
//
// Purpose: scikit-learn's r2_score, root mean squared error and mean absolute error, and their
// registry. Guarantees: NaN where a metric is not defined (no rows; r2 of fewer than two rows or of
// a constant target); sums are compensated, so the order of magnitude of the target costs no
// digits. Thread safety: pure functions. Failure: core::InvalidArgument when the lengths differ, or
// for a metric that does not exist (with a suggestion).

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mutirao::models {

double r2_score(std::span<const double> y_true, std::span<const double> y_pred);
double root_mean_squared_error(std::span<const double> y_true, std::span<const double> y_pred);
double mean_absolute_error(std::span<const double> y_true, std::span<const double> y_pred);

struct Metric {
  std::string name;  ///< "r2", "rmse", "mae"
  std::string doc;   ///< one line
  bool greater_is_better = false;
  double (*compute)(std::span<const double> y_true, std::span<const double> y_pred) = nullptr;
};

/// All metrics for regression, the default first.
const std::vector<Metric>& metrics();
const Metric& find_metric(std::string_view name);

struct MetricValue {
  std::string name;
  double value = 0.0;  ///< NaN: not defined
};
/// Every metric, in the order of metrics().
std::vector<MetricValue> all_metrics(std::span<const double> y_true,
                                     std::span<const double> y_pred);

}  // namespace mutirao::models
