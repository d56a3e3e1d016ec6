#include "mutirao/models/internal/preconditioner.hpp"

#include <algorithm>

#include <Eigen/Cholesky>

#include "mutirao/models/internal/centred_products.hpp"

namespace mutirao::models::internal {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// With more parameters, to decompose their whole Hessian takes longer than it saves.
constexpr std::size_t kMostParameters = 128;

}  // namespace

Preconditioner::Factor Preconditioner::factor_of(const MatrixXd& hessian) {
  // Scaled to a diagonal of 1, and that raised a little: a class that is told apart perfectly has
  // no curvature, and columns may depend on each other.
  const double least = hessian.diagonal().maxCoeff() * 1e-14 + 1e-300;
  Factor factor{.scale = hessian.diagonal().cwiseMax(least).cwiseSqrt().cwiseInverse(),
                .inverse = {}};
  MatrixXd scaled = factor.scale.asDiagonal() * hessian * factor.scale.asDiagonal();
  Eigen::LLT<MatrixXd> cholesky;
  for (double raise = 1e-13;; raise *= 100.0) {
    scaled.diagonal().setConstant(1.0 + raise);
    cholesky.compute(scaled);
    if (cholesky.info() == Eigen::Success || raise > 1.0) break;
  }
  const Index n = hessian.rows();
  const Index lanes = index(kGramLanes);
  factor.inverse = MatrixXd::Zero((n + lanes - 1) / lanes * lanes, n);
  factor.inverse.topRows(n).setIdentity();
  cholesky.matrixL().solveInPlace(factor.inverse.topRows(n));
  return factor;
}

void Preconditioner::refresh(const LogisticProblem& problem) {
  std::vector<MatrixXd> hessians;  // where all are the same, one
  const bool whole = problem.outputs() * problem.stride() <= kMostParameters;
  if (whole) {
    hessians.push_back(problem.rough_hessian());
  } else {
    hessians = problem.rough_hessian_blocks();
  }
  blocks_ = whole ? 1 : problem.outputs();
  factors_.resize(hessians.size());
  problem.budget().for_each(
      hessians.size(),
      [&](std::size_t block, std::size_t) { factors_[block] = factor_of(hessians[block]); },
      problem.max_cores());
}

VectorXd Preconditioner::solve(const VectorXd& right) const {
  const GramKernels& kernels = gram_kernels(core::instruction_set());
  const Index n = right.size() / index(blocks_);
  VectorXd solution = VectorXd::Zero(right.size());
  VectorXd scaled;
  VectorXd half;
  for (std::size_t block = 0; block < blocks_; ++block) {
    const auto& [scale, inverse] = factors_[factors_.size() == 1 ? 0 : block];
    const auto rows = static_cast<std::size_t>(inverse.rows());
    scaled = right.segment(index(block) * n, n).cwiseProduct(scale);
    half = VectorXd::Zero(inverse.rows());
    kernels.add_lower(inverse.data(), rows, static_cast<std::size_t>(n), scaled.data(),
                      half.data());
    kernels.add_lower_transposed(inverse.data(), rows, static_cast<std::size_t>(n), half.data(),
                                 solution.data() + index(block) * n);
    solution.segment(index(block) * n, n).array() *= scale.array();
  }
  return solution;
}

}  // namespace mutirao::models::internal
