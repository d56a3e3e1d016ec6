#pragma once

// Solves, roughly, with the Hessian of a logistic problem: what conjugate gradients need to be few.
//
// Where there are few parameters the whole Hessian is decomposed, else each output's block.

#include <cstddef>
#include <vector>

#include <Eigen/Core>

#include "mutirao/models/internal/logistic_problem.hpp"

namespace mutirao::models::internal {

class Preconditioner {
 public:
  bool empty() const noexcept { return factors_.empty(); }
  /// Takes the Hessian where problem.evaluate() was last.
  void refresh(const LogisticProblem& problem);
  /// Symmetric and positive definite.
  Eigen::VectorXd solve(const Eigen::VectorXd& right) const;

 private:
  /// Of a block, scaled by `scale` on both sides: the inverse of its Cholesky factor, its rows
  /// padded to kGramLanes.
  struct Factor {
    Eigen::VectorXd scale;
    Eigen::MatrixXd inverse;
  };
  static Factor factor_of(const Eigen::MatrixXd& hessian);

  std::size_t blocks_ = 0;
  std::vector<Factor> factors_;  // of each block, or one for all
};

}  // namespace mutirao::models::internal
