#pragma once

// How much worse a fitted model predicts when one column says nothing.
//
// Purpose: scikit-learn's permutation_importance (Breiman 2001) for any estimator. Each column in
// turn is shuffled, and the fall of the score is its importance; on rows that the model has not
// seen, it says what the model's predictions owe to the column. Requires: a fitted estimator; a
// metric of which larger is better. Guarantees: the same seed gives the same numbers for any number
// of threads. Memory: a copy of x per core. Thread safety: any thread. Failure: what
// Estimator::predict throws; core::InvalidArgument for shapes that do not fit, or no repeats.
//
//   const auto r2 = [](auto y_true, auto y_pred) { return r2_score(y_true, y_pred); };
//   const PermutationImportance found = permutation_importance(forest, x, y, r2);
//   // found.mean[j], found.standard_deviation[j]

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "mutirao/data/matrix.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/models/estimator.hpp"

namespace mutirao::models {

/// Of predictions: numbers, or indices of classes. Larger is better.
using PredictionMetric =
    std::function<double(std::span<const double> truth, std::span<const double> predicted)>;

struct PermutationOptions {
  std::size_t n_repeats = 5;
  std::uint64_t seed = 0;
  /// Null: exec::CoreBudget::current().
  exec::CoreBudget* budget = nullptr;
  /// At most this many of its cores; 0: as many as are free.
  std::size_t max_cores = 0;
};

struct PermutationImportance {
  /// With all columns as they are.
  double score = 0.0;
  /// Per column, over the repeats.
  std::vector<double> mean;
  std::vector<double> standard_deviation;
  /// n_features x n_repeats: how much the score fell.
  std::vector<double> importances;
};

/// x: n_samples x n_features; y: one value per row of x.
PermutationImportance permutation_importance(const Estimator& estimator, data::MatrixView x,
                                             std::span<const double> y,
                                             const PredictionMetric& metric,
                                             const PermutationOptions& options = {});

}  // namespace mutirao::models
