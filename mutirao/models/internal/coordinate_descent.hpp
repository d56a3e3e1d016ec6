#pragma once

#include <cstdint>
#include <stop_token>

#include <Eigen/Core>

namespace mutirao::models::internal {

/// b G b / 2 - b r + s / 2 + l1 |b|_1 + l2 |b|^2 / 2, to be minimised.
struct PenalisedProducts {
  const Eigen::MatrixXd& gram;   ///< G: products of columns, positive semidefinite
  const Eigen::VectorXd& right;  ///< r: products of columns with the target
  double target_square = 0.0;    ///< s
  double l1 = 0.0;               ///< above 0
  double l2 = 0.0;
};

struct Descent {
  Eigen::VectorXd coefficients;
  std::int64_t passes = 0;
  double gap = 0.0;  ///< at most this far above the minimum
  bool converged = false;
};

/// Until the duality gap is at most tol * target_square; at most max_iter passes. Throws the code
/// kCancelled when a stop is requested.
Descent coordinate_descent(const PenalisedProducts& problem, double tol, std::int64_t max_iter,
                           const std::stop_token& stop);

}  // namespace mutirao::models::internal
