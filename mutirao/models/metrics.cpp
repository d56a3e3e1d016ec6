#include "mutirao/models/metrics.hpp"

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/suggestion.hpp"
#include "mutirao/models/internal/compensated_sum.hpp"

namespace mutirao::models {

using internal::check_lengths;
using internal::CompensatedSum;
using internal::kUndefined;
using internal::weight_of;
using internal::weighted_mean;

double r2_score(const ScoredRows& rows) {
  check_lengths(rows);
  std::size_t present = 0;
  double shift = 0.0;
  for (std::size_t row = 0; row < rows.y_true.size(); ++row) {
    if (weight_of(rows, row) == 0.0) continue;
    if (present++ == 0) shift = rows.y_true[row];
  }
  if (present < 2) return kUndefined;
  const double mean =
      shift + weighted_mean(rows, [&](std::size_t row) { return rows.y_true[row] - shift; });
  CompensatedSum total;
  CompensatedSum left;
  for (std::size_t row = 0; row < rows.y_true.size(); ++row) {
    const double w = weight_of(rows, row);
    if (w == 0.0) continue;
    const double from_mean = rows.y_true[row] - mean;
    const double error = rows.y_true[row] - rows.y_pred[row];
    total.add(w * (from_mean * from_mean));
    left.add(w * (error * error));
  }
  if (!(total.value() > 0.0)) return kUndefined;
  return 1.0 - left.value() / total.value();
}

double root_mean_squared_error(const ScoredRows& rows) {
  check_lengths(rows);
  return std::sqrt(weighted_mean(rows, [&](std::size_t row) {
    const double error = rows.y_true[row] - rows.y_pred[row];
    return error * error;
  }));
}

double mean_absolute_error(const ScoredRows& rows) {
  check_lengths(rows);
  return weighted_mean(
      rows, [&](std::size_t row) { return std::abs(rows.y_true[row] - rows.y_pred[row]); });
}

double mean_absolute_percentage_error(const ScoredRows& rows) {
  check_lengths(rows);
  return weighted_mean(rows, [&](std::size_t row) {
    return std::abs(rows.y_true[row] - rows.y_pred[row]) /
           std::max(std::abs(rows.y_true[row]), std::numeric_limits<double>::epsilon());
  });
}

const std::vector<Metric>& metrics(data::Task task) {
  using data::Task;
  static const std::vector<Metric> regression = {
      {"r2", "share of the target's variance that is explained; 1 is perfect", Task::kRegression,
       true, &r2_score},
      {"rmse", "root of the mean squared error, in units of the target", Task::kRegression, false,
       &root_mean_squared_error},
      {"mae", "mean absolute error, in units of the target", Task::kRegression, false,
       &mean_absolute_error},
      {"mape", "mean absolute error as a share of the true value", Task::kRegression, false,
       &mean_absolute_percentage_error},
  };
  static const std::vector<Metric> classification = {
      {"accuracy", "share of the rows whose class is predicted", Task::kClassification, true,
       &accuracy_score},
      {"balanced_accuracy", "mean over the classes of the share that is predicted",
       Task::kClassification, true, &balanced_accuracy_score},
      {"f1", "harmonic mean of precision and recall", Task::kClassification, true, &f1_score},
      {"roc_auc", "chance that a row of a class gets a higher probability for it than another row",
       Task::kClassification, true, &roc_auc_score},
      {"log_loss", "mean of -log of the probability given to the true class", Task::kClassification,
       false, &log_loss},
  };
  return task == Task::kRegression ? regression : classification;
}

namespace {

const Metric* look_for(std::string_view name, data::Task task) {
  for (const Metric& metric : metrics(task)) {
    if (metric.name == name) return &metric;
  }
  return nullptr;
}

data::Task other_than(data::Task task) {
  return task == data::Task::kRegression ? data::Task::kClassification : data::Task::kRegression;
}

}  // namespace

bool has_metric(std::string_view name, data::Task task) {
  if (look_for(name, task) != nullptr) return true;
  if (look_for(name, other_than(task)) != nullptr) return false;
  std::vector<std::string> names;
  for (const data::Task each : {task, other_than(task)}) {
    for (const Metric& metric : metrics(each)) names.push_back(metric.name);
  }
  throw core::InvalidArgument(fmt::format("there is no metric '{}'", name),
                              core::suggestion(name, names, names.size()));
}

const Metric& find_metric(std::string_view name, data::Task task) {
  if (has_metric(name, task)) return *look_for(name, task);
  std::string fitting;
  for (const Metric& metric : metrics(task)) fitting += (fitting.empty() ? "" : ", ") + metric.name;
  throw core::InvalidArgument(
      fmt::format("the metric '{}' is for {}, and this is {}", name,
                  data::name_of(other_than(task)), data::name_of(task)),
      fmt::format("choose from {}; --task {} says that the target is otherwise", fitting,
                  data::name_of(other_than(task))));
}

std::vector<MetricValue> all_metrics(const ScoredRows& rows, data::Task task) {
  std::vector<MetricValue> values;
  for (const Metric& metric : metrics(task)) values.push_back({metric.name, metric.compute(rows)});
  return values;
}

}  // namespace mutirao::models
