#pragma once

// The rows of a training set that count, for estimators that look at each row a few times only.

#include <cstddef>

#include "mutirao/models/estimator.hpp"

namespace mutirao::models::internal {

/// Calls visit(row, weight) for each row to learn from whose weight is positive, in order.
template <class Visit>
void for_each_row(const TrainingSet& training, const Visit& visit) {
  const std::size_t n = training.rows ? training.rows->size() : training.x.rows;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t row = training.rows ? (*training.rows)[i] : i;
    const double weight = training.sample_weight.empty() ? 1.0 : training.sample_weight[row];
    if (weight > 0.0) visit(row, weight);
  }
}

}  // namespace mutirao::models::internal
