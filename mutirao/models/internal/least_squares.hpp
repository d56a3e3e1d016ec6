#pragma once

// The ladder of linear regression; models/linear_regression.hpp says what it guarantees.

#include <cstddef>
#include <vector>

#include "mutirao/exec/core_budget.hpp"
#include "mutirao/models/estimator.hpp"
#include "mutirao/models/linear_regression.hpp"

namespace mutirao::models::internal {

struct LeastSquares {
  std::vector<double> coefficients;
  double intercept = 0.0;
  LinearRegression::Solver solver = LinearRegression::Solver::kNone;
  std::size_t rank = 0;
};

LeastSquares solve_least_squares(const TrainingSet& training, bool fit_intercept,
                                 exec::CoreBudget& budget, std::size_t max_cores);

}  // namespace mutirao::models::internal
