#pragma once

// Least squares through the singular values of a triangle: what is left where columns depend on
// each other so much that no factorisation can tell them apart. In one place, because the
// decomposition takes longer to compile than all else of the linear models.

#include <cstddef>

#include <Eigen/Core>

namespace mutirao::models::internal {

struct CutSolution {
  Eigen::VectorXd coefficients;
  std::size_t rank = 0;  ///< singular values that count
};

/// The minimum-norm solution of all columns of a triangle but the last for its last column, with
/// alpha times the squared norm of the coefficients added to what is minimised. Singular values up
/// to `least_relative` times the largest are taken for 0.
CutSolution solve_by_singular_values(const Eigen::MatrixXd& triangle, double least_relative,
                                     double alpha);

}  // namespace mutirao::models::internal
