#pragma once

#include <cstdint>
#include <functional>

#include <Eigen/Core>

#include "mutirao/models/estimator.hpp"
#include "mutirao/models/internal/logistic_problem.hpp"

namespace mutirao::models::internal {

struct NewtonResult {
  Eigen::VectorXd parameters;
  std::int64_t steps = 0;
  double steepest = 0.0;  ///< the largest slope that is left
  bool converged = false;
  bool finite = true;  ///< false: the objective is no number to begin with
};

/// Newton's method, until no slope is larger than `tol` and the next step would gain next to
/// nothing; at most max_iter steps. It begins at zero or, where there are many rows, near what it
/// finds on some of them.
NewtonResult minimise(LogisticProblem& problem, double tol, std::int64_t max_iter,
                      const FitContext& context);

}  // namespace mutirao::models::internal
