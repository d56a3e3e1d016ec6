#pragma once

// How much each of several models counts in an ensemble.
//
// Purpose: from predictions for rows that the models had not seen to the weights of a blend.
// Algorithm: greedy selection with replacement (Caruana, Niculescu-Mizil, Crew and Ksikes 2004,
// "Ensemble Selection from Libraries of Models"): from nothing on, each round adds the model that
// makes the mean of all that were added best by the metric; of all rounds the best mean is kept.
// Guarantees: weights are not negative and sum to 1; a model alone is never better on the given
// rows, by the metric; the result does not depend on the number of cores. Of equals the first model
// and the shortest selection win. Thread safety: pure. Failure: core::InvalidArgument when there is
// no model, or when predictions are not as many as rows (times classes).
//
//   std::vector<double> weights = select_ensemble({of_forest, of_ridge}, {.y_true = y},
//                                                 find_metric("rmse"));

#include <cstddef>
#include <span>
#include <vector>

#include "mutirao/models/metrics.hpp"

namespace mutirao::models {

struct EnsembleSelectionOptions {
  /// Models added, at most; a weight is a multiple of 1 / rounds or more.
  std::size_t rounds = 25;
};

/// `predictions`: of each model one value per row; for classes n_rows x n_classes probabilities,
/// row-major. `rows`: the truth; its own predictions are not looked at.
std::vector<double> select_ensemble(const std::vector<std::span<const double>>& predictions,
                                    const ScoredRows& rows, const Metric& metric,
                                    const EnsembleSelectionOptions& options = {});

/// The weighted mean of the predictions, as a blend makes it.
std::vector<double> blended(const std::vector<std::span<const double>>& predictions,
                            std::span<const double> weights);

/// Of each row of probabilities the likeliest class, of equals the first.
std::vector<double> likeliest_classes(std::span<const double> probabilities, std::size_t n_classes);

}  // namespace mutirao::models
