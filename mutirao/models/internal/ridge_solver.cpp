#include "mutirao/models/internal/ridge_solver.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include <Eigen/Cholesky>

#include "mutirao/models/internal/singular_values.hpp"

namespace mutirao::models::internal {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// Reciprocal condition numbers of the scaled products: above the first a solution has ten digits
/// as it is, above the second refinement gives them.
constexpr double kLeastUnrefined = 1e-6;
constexpr double kLeastForCholesky = 1e-10;

std::optional<VectorXd> solve_by_cholesky(const ColumnBlocks& blocks, const Centred& centred,
                                          double alpha) {
  const Index p = index(blocks.cols());
  const auto products = centred.products.topLeftCorner(p, p);
  const VectorXd scale = (products.diagonal().array() + alpha).sqrt();
  const VectorXd inverse = scale.cwiseInverse();
  MatrixXd scaled = inverse.asDiagonal() * products * inverse.asDiagonal();
  scaled.diagonal().setOnes();
  const Eigen::LLT<MatrixXd> cholesky(scaled);
  if (cholesky.info() != Eigen::Success) return std::nullopt;
  const double condition = cholesky.rcond();
  if (!(condition >= kLeastForCholesky)) return std::nullopt;
  VectorXd solution = cholesky.solve(centred.products.col(p).head(p).cwiseProduct(inverse));
  if (condition < kLeastUnrefined) {
    const double target_norm = std::sqrt(std::max(0.0, centred.products(p, p)));
    const bool converged = refine(solution, target_norm, [&](const VectorXd& now) -> VectorXd {
      const VectorXd coefficients = now.cwiseProduct(inverse);
      const std::vector<double> left = blocks.residual_products(
          {coefficients.data(), static_cast<std::size_t>(coefficients.size())});
      const VectorXd gradient = Eigen::Map<const VectorXd>(left.data(), p) - alpha * coefficients;
      return cholesky.solve(gradient.cwiseProduct(inverse));
    });
    if (!converged) return std::nullopt;
  }
  return solution.cwiseProduct(inverse);
}

/// What cannot be told from rounding is left out, as alpha near 0 would blow it up.
VectorXd solve_by_values(const ColumnBlocks& blocks, double alpha) {
  const double least = static_cast<double>(std::max(blocks.rows(), blocks.cols())) *
                       std::numeric_limits<double>::epsilon();
  return solve_by_singular_values(triangle_of(blocks), least, alpha).coefficients;
}

}  // namespace

LinearSolution solve_ridge(ColumnBlocks& blocks, const Centred& centred, double alpha,
                           bool fit_intercept) {
  std::optional<VectorXd> found = solve_by_cholesky(blocks, centred, alpha);
  if (!found) found = solve_by_values(blocks, alpha);
  LinearSolution solution;
  solution.coefficients.assign(found->data(), found->data() + found->size());
  if (fit_intercept) solution.intercept = intercept_of(centred, solution.coefficients);
  return solution;
}

}  // namespace mutirao::models::internal
