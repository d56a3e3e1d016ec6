#pragma once

#include <vector>

#include "mutirao/exec/core_budget.hpp"
#include "mutirao/models/estimator.hpp"
#include "mutirao/models/internal/centred_products.hpp"

namespace mutirao::models::internal {

struct LinearSolution {
  std::vector<double> coefficients;
  double intercept = 0.0;
};

/// Minimises sum w (y - x b - c)^2 + alpha |b|^2, for alpha above 0, from what centre() left.
LinearSolution solve_ridge(ColumnBlocks& blocks, const Centred& centred, double alpha,
                           bool fit_intercept);

}  // namespace mutirao::models::internal
