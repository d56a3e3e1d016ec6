#pragma once

// Sums that lose no digits to the order of magnitude of what was added before, and the shape that
// all metrics ask of their rows.

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/metrics.hpp"

namespace mutirao::models::internal {

inline constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

/// Neumaier's compensated sum (1974).
class CompensatedSum {
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

inline void check_lengths(const ScoredRows& rows) {
  if (rows.y_true.size() != rows.y_pred.size()) {
    throw core::InvalidArgument(
        fmt::format("{} true values and {} predictions", rows.y_true.size(), rows.y_pred.size()));
  }
  if (!rows.sample_weight.empty() && rows.sample_weight.size() != rows.y_true.size()) {
    throw core::InvalidArgument(fmt::format("{} true values and {} sample weights",
                                            rows.y_true.size(), rows.sample_weight.size()));
  }
}

inline double weight_of(const ScoredRows& rows, std::size_t row) noexcept {
  return rows.sample_weight.empty() ? 1.0 : rows.sample_weight[row];
}

/// The mean of `value_of(row)` with the rows' weights.
template <class Value>
double weighted_mean(const ScoredRows& rows, Value value_of) {
  CompensatedSum sum;
  CompensatedSum weight;
  for (std::size_t row = 0; row < rows.y_true.size(); ++row) {
    const double w = weight_of(rows, row);
    if (w == 0.0) continue;
    sum.add(w * value_of(row));
    weight.add(w);
  }
  return weight.value() > 0.0 ? sum.value() / weight.value() : kUndefined;
}

}  // namespace mutirao::models::internal
