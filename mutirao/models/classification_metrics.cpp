// The metrics of classes; see models/metrics.hpp.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/compensated_sum.hpp"
#include "mutirao/models/metrics.hpp"

namespace mutirao::models {
namespace {

using internal::check_lengths;
using internal::CompensatedSum;
using internal::kUndefined;
using internal::weight_of;
using internal::weighted_mean;

void check_classes(const ScoredRows& rows) {
  check_lengths(rows);
  const auto is_class = [&](double value) {
    return value >= 0.0 && value < static_cast<double>(rows.n_classes) &&
           value == std::floor(value);
  };
  for (const auto& side : {rows.y_true, rows.y_pred}) {
    const auto odd = std::find_if_not(side.begin(), side.end(), is_class);
    if (odd != side.end()) {
      throw core::InvalidArgument(
          fmt::format("{} is the index of none of {} classes", *odd, rows.n_classes));
    }
  }
}

void check_probabilities(const ScoredRows& rows) {
  check_classes(rows);
  if (rows.probabilities.size() != rows.y_true.size() * rows.n_classes) {
    throw core::InvalidArgument(fmt::format(
        "{} rows of {} classes need {} probabilities, not {}", rows.y_true.size(), rows.n_classes,
        rows.y_true.size() * rows.n_classes, rows.probabilities.size()));
  }
}

void check_positive(const ScoredRows& rows) {
  if (rows.n_classes == 2 && rows.positive > 1)
    throw core::InvalidArgument(fmt::format("{} is the index of none of 2 classes", rows.positive));
}

std::size_t class_of(double index) { return static_cast<std::size_t>(index); }

/// Weights of one class: of its rows, of the rows predicted to be it, and of those that are both.
struct ClassWeights {
  double truly = 0.0;
  double predicted = 0.0;
  double both = 0.0;
};

std::vector<ClassWeights> weights_of_classes(const ScoredRows& rows) {
  const std::size_t n = rows.n_classes;
  const std::vector<double> confusion = confusion_matrix(rows);
  std::vector<ClassWeights> weights(n);
  for (std::size_t truth = 0; truth < n; ++truth) {
    for (std::size_t seen = 0; seen < n; ++seen) {
      weights[truth].truly += confusion[truth * n + seen];
      weights[seen].predicted += confusion[truth * n + seen];
    }
    weights[truth].both = confusion[truth * n + truth];
  }
  return weights;
}

double f1_of(const ClassWeights& weights) {
  const double all = weights.truly + weights.predicted;
  return all > 0.0 ? 2.0 * weights.both / all : kUndefined;
}

/// Calls `group(positive, other)` with the weights of each run of rows of equal probability, the
/// most probable first.
template <class Group>
void for_each_probability(const ScoredRows& rows, std::size_t positive, Group group) {
  std::vector<std::uint32_t> order;
  order.reserve(rows.y_true.size());
  for (std::size_t row = 0; row < rows.y_true.size(); ++row) {
    if (weight_of(rows, row) != 0.0) order.push_back(static_cast<std::uint32_t>(row));
  }
  const auto score = [&](std::uint32_t row) {
    return rows.probabilities[row * rows.n_classes + positive];
  };
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return score(a) > score(b); });
  for (std::size_t first = 0; first < order.size();) {
    double truly = 0.0;
    double other = 0.0;
    std::size_t next = first;
    for (; next < order.size() && score(order[next]) == score(order[first]); ++next) {
      const bool is_positive = class_of(rows.y_true[order[next]]) == positive;
      (is_positive ? truly : other) += weight_of(rows, order[next]);
    }
    group(truly, other);
    first = next;
  }
}

/// The area under the curve of one class against the rest.
double area_of(const ScoredRows& rows, std::size_t positive) {
  CompensatedSum area;
  CompensatedSum truly;
  CompensatedSum others;
  for_each_probability(rows, positive, [&](double here, double other) {
    area.add(other * (truly.value() + here / 2.0));
    truly.add(here);
    others.add(other);
  });
  const double all = truly.value() * others.value();
  return all > 0.0 ? area.value() / all : kUndefined;
}

}  // namespace

std::vector<double> confusion_matrix(const ScoredRows& rows) {
  check_classes(rows);
  std::vector<double> confusion(rows.n_classes * rows.n_classes);
  for (std::size_t row = 0; row < rows.y_true.size(); ++row) {
    confusion[class_of(rows.y_true[row]) * rows.n_classes + class_of(rows.y_pred[row])] +=
        weight_of(rows, row);
  }
  return confusion;
}

double accuracy_score(const ScoredRows& rows) {
  check_classes(rows);
  return weighted_mean(
      rows, [&](std::size_t row) { return rows.y_true[row] == rows.y_pred[row] ? 1.0 : 0.0; });
}

double balanced_accuracy_score(const ScoredRows& rows) {
  double sum = 0.0;
  double classes = 0.0;
  for (const ClassWeights& weights : weights_of_classes(rows)) {
    if (!(weights.truly > 0.0)) continue;
    sum += weights.both / weights.truly;
    classes += 1.0;
  }
  return classes > 0.0 ? sum / classes : kUndefined;
}

double f1_score(const ScoredRows& rows) {
  check_positive(rows);
  const std::vector<ClassWeights> weights = weights_of_classes(rows);
  if (rows.n_classes == 2) return f1_of(weights[rows.positive]);
  double sum = 0.0;
  double classes = 0.0;
  for (const ClassWeights& each : weights) {
    const double f1 = f1_of(each);
    if (std::isnan(f1)) continue;
    sum += f1;
    classes += 1.0;
  }
  return classes > 0.0 ? sum / classes : kUndefined;
}

double roc_auc_score(const ScoredRows& rows) {
  check_probabilities(rows);
  check_positive(rows);
  if (rows.n_classes == 2) return area_of(rows, rows.positive);
  double sum = 0.0;
  double classes = 0.0;
  for (std::size_t positive = 0; positive < rows.n_classes; ++positive) {
    const double area = area_of(rows, positive);
    if (std::isnan(area)) continue;
    sum += area;
    classes += 1.0;
  }
  return classes > 0.0 ? sum / classes : kUndefined;
}

double log_loss(const ScoredRows& rows) {
  check_probabilities(rows);
  constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
  const auto clipped = [=](double value) { return std::clamp(value, kEpsilon, 1.0 - kEpsilon); };
  return weighted_mean(rows, [&](std::size_t row) {
    const auto of_row = rows.probabilities.subspan(row * rows.n_classes, rows.n_classes);
    double sum = 0.0;
    for (const double value : of_row) sum += clipped(value);
    return -std::log(clipped(of_row[class_of(rows.y_true[row])]) / sum);
  });
}

RocCurve roc_curve(const ScoredRows& rows, std::size_t positive) {
  check_probabilities(rows);
  if (positive >= rows.n_classes) {
    throw core::InvalidArgument(
        fmt::format("{} is the index of none of {} classes", positive, rows.n_classes));
  }
  RocCurve curve{{0.0}, {0.0}};
  double truly = 0.0;
  double others = 0.0;
  for_each_probability(rows, positive, [&](double here, double other) {
    curve.true_positive_rate.push_back(truly += here);
    curve.false_positive_rate.push_back(others += other);
  });
  if (!(truly > 0.0 && others > 0.0)) return {};
  for (double& rate : curve.true_positive_rate) rate /= truly;
  for (double& rate : curve.false_positive_rate) rate /= others;
  return curve;
}

}  // namespace mutirao::models
