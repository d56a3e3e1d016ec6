#pragma once

// How good predictions are.
//
// Purpose: scikit-learn's metrics for numbers and for classes, and their registry. Guarantees:
// equal to scikit-learn's where that gives a value; NaN where a metric is not defined: no rows of
// positive weight; r2 of fewer than two rows or of a constant target; f1 of a class that is neither
// there nor predicted; roc_auc of rows of one class. A row of weight 0 is as if it were not there.
// Sums are compensated, so the order of magnitude of the target costs no digits. Thread safety:
// pure functions. Failure: core::InvalidArgument when lengths differ, or for a metric that does not
// exist or is for the other task (with a suggestion).
//
//   double score = find_metric("roc_auc", data::Task::kClassification).compute(
//       {.y_true = truth, .y_pred = predicted, .probabilities = proba, .n_classes = 2});

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/data/feature_selection.hpp"

namespace mutirao::models {

/// Predictions beside the truth, one per row.
struct ScoredRows {
  std::span<const double> y_true;  ///< numbers; for classes their indices, 0 .. n_classes - 1
  std::span<const double> y_pred;
  /// Not negative; empty: all 1.
  std::span<const double> sample_weight = {};
  /// Classes: n_rows x n_classes, row-major.
  std::span<const double> probabilities = {};
  std::size_t n_classes = 0;
  /// Of two classes, the one whose finding f1 and roc_auc judge.
  std::size_t positive = 1;
};

double r2_score(const ScoredRows& rows);
inline double r2_score(std::span<const double> y_true, std::span<const double> y_pred) {
  return r2_score({.y_true = y_true, .y_pred = y_pred});
}
double root_mean_squared_error(const ScoredRows& rows);
double mean_absolute_error(const ScoredRows& rows);
/// A fraction, not a per cent; as in scikit-learn a true value of 0 counts as 2.2e-16.
double mean_absolute_percentage_error(const ScoredRows& rows);

double accuracy_score(const ScoredRows& rows);
/// The mean, over the classes that are among the rows, of the share of each that is recognised.
double balanced_accuracy_score(const ScoredRows& rows);
/// Two classes: of the positive one. More: the plain mean over the classes that are among the rows
/// or the predictions ("macro").
double f1_score(const ScoredRows& rows);
/// Two classes: of the positive one. More: the plain mean, over the classes that are among the
/// rows, of each against the rest ("macro", "ovr").
double roc_auc_score(const ScoredRows& rows);
/// Probabilities are kept off 0 and 1 by 2.2e-16, then scaled to sum to 1.
double log_loss(const ScoredRows& rows);

struct Metric {
  std::string name;  ///< "r2", "accuracy"
  std::string doc;   ///< one line
  data::Task task = data::Task::kRegression;
  bool greater_is_better = false;
  double (*compute)(const ScoredRows& rows) = nullptr;
};

/// All metrics of a task, the default first: r2 and accuracy.
const std::vector<Metric>& metrics(data::Task task = data::Task::kRegression);
/// Throws for a name that is none, or is of the other task.
const Metric& find_metric(std::string_view name, data::Task task = data::Task::kRegression);
/// Whether any task has the metric; throws core::InvalidArgument where none has.
bool has_metric(std::string_view name, data::Task task);

struct MetricValue {
  std::string name;
  double value = 0.0;  ///< NaN: not defined
};
/// Every metric of the task, in the order of metrics().
std::vector<MetricValue> all_metrics(const ScoredRows& rows,
                                     data::Task task = data::Task::kRegression);

/// Points of a receiver operating characteristic, from (0, 0) to (1, 1): the share of the other
/// rows and that of the positive class's rows that have at least some score.
struct RocCurve {
  std::vector<double> false_positive_rate;
  std::vector<double> true_positive_rate;
};
/// The curve of class `positive` against the rest, with one point per distinct probability; empty
/// when one of the two sides has no rows.
RocCurve roc_curve(const ScoredRows& rows, std::size_t positive);

/// n_classes x n_classes, row-major: the weight of the rows of each true class (row) that are
/// predicted to be each class (column).
std::vector<double> confusion_matrix(const ScoredRows& rows);

}  // namespace mutirao::models
