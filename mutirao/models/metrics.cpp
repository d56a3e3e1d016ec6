#include "mutirao/models/metrics.hpp"

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/suggestion.hpp"

namespace mutirao::models {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

/// Neumaier's compensated sum (1974).
class Sum {
 public:
  void add(double value) noexcept {
    const double next = sum_ + value;
    lost_ += std::abs(sum_) >= std::abs(value) ? (sum_ - next) + value : (value - next) + sum_;
    sum_ = next;
  }
  double value() const noexcept { return sum_ + lost_; }

 private:
  double sum_ = 0.0;
  double lost_ = 0.0;
};

void check_lengths(std::span<const double> y_true, std::span<const double> y_pred) {
  if (y_true.size() != y_pred.size()) {
    throw core::InvalidArgument(
        fmt::format("{} true values and {} predictions", y_true.size(), y_pred.size()));
  }
}

double squared_error(std::span<const double> y_true, std::span<const double> y_pred) {
  Sum sum;
  for (std::size_t i = 0; i < y_true.size(); ++i)
    sum.add((y_true[i] - y_pred[i]) * (y_true[i] - y_pred[i]));
  return sum.value();
}

}  // namespace

double r2_score(std::span<const double> y_true, std::span<const double> y_pred) {
  check_lengths(y_true, y_pred);
  if (y_true.size() < 2) return kUndefined;
  Sum sum;
  for (const double y : y_true) sum.add(y - y_true[0]);
  const double mean = y_true[0] + sum.value() / static_cast<double>(y_true.size());
  Sum total;
  for (const double y : y_true) total.add((y - mean) * (y - mean));
  if (!(total.value() > 0.0)) return kUndefined;
  return 1.0 - squared_error(y_true, y_pred) / total.value();
}

double root_mean_squared_error(std::span<const double> y_true, std::span<const double> y_pred) {
  check_lengths(y_true, y_pred);
  if (y_true.empty()) return kUndefined;
  return std::sqrt(squared_error(y_true, y_pred) / static_cast<double>(y_true.size()));
}

double mean_absolute_error(std::span<const double> y_true, std::span<const double> y_pred) {
  check_lengths(y_true, y_pred);
  if (y_true.empty()) return kUndefined;
  Sum sum;
  for (std::size_t i = 0; i < y_true.size(); ++i) sum.add(std::abs(y_true[i] - y_pred[i]));
  return sum.value() / static_cast<double>(y_true.size());
}

const std::vector<Metric>& metrics() {
  static const std::vector<Metric> all = {
      {"r2", "share of the target's variance that is explained; 1 is perfect", true, &r2_score},
      {"rmse", "root of the mean squared error, in units of the target", false,
       &root_mean_squared_error},
      {"mae", "mean absolute error, in units of the target", false, &mean_absolute_error},
  };
  return all;
}

const Metric& find_metric(std::string_view name) {
  std::vector<std::string> names;
  for (const Metric& metric : metrics()) {
    if (metric.name == name) return metric;
    names.push_back(metric.name);
  }
  throw core::InvalidArgument(fmt::format("there is no metric '{}'", name),
                              core::suggestion(name, names));
}

std::vector<MetricValue> all_metrics(std::span<const double> y_true,
                                     std::span<const double> y_pred) {
  std::vector<MetricValue> values;
  for (const Metric& metric : metrics())
    values.push_back({metric.name, metric.compute(y_true, y_pred)});
  return values;
}

}  // namespace mutirao::models
