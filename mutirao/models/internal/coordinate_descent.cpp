#include "mutirao/models/internal/coordinate_descent.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include <Eigen/Cholesky>

#include "mutirao/core/error.hpp"

namespace mutirao::models::internal {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// The gap below which there is nothing left to gain, relative to the target's square.
constexpr double kLeastGap = 1e-13;
/// How far beyond l1 the gradient of a coefficient that is 0 may be, relatively: rounding.
constexpr double kGradientSlack = 1e-9;

double soft_threshold(double value, double by) {
  return value > by ? value - by : value < -by ? value + by : 0.0;
}

/// `products`: gram * coefficients. As in scikit-learn's coordinate descent.
double duality_gap(const PenalisedProducts& problem, const VectorXd& coefficients,
                   const VectorXd& products) {
  const VectorXd gradient = problem.right - products - problem.l2 * coefficients;
  const double steepest = gradient.cwiseAbs().maxCoeff();
  const double by_right = coefficients.dot(problem.right);
  const double residual =
      std::max(0.0, problem.target_square - 2.0 * by_right + coefficients.dot(products));
  const double scale = steepest > problem.l1 ? problem.l1 / steepest : 1.0;
  return 0.5 * residual * (1.0 + scale * scale) + problem.l1 * coefficients.lpNorm<1>() -
         scale * (problem.target_square - by_right) +
         0.5 * problem.l2 * (1.0 + scale * scale) * coefficients.squaredNorm();
}

/// The minimum, if the coefficients that are not 0 are the right ones and have the right signs.
std::optional<VectorXd> solve_for_signs(const PenalisedProducts& problem, const VectorXd& near) {
  std::vector<Index> active;
  for (Index j = 0; j < near.size(); ++j) {
    if (near(j) != 0.0) active.push_back(j);
  }
  const auto size = static_cast<Index>(active.size());
  if (size == 0) return std::nullopt;
  MatrixXd gram = problem.gram(active, active);
  gram.diagonal().array() += problem.l2;
  const VectorXd inverse = gram.diagonal().cwiseSqrt().cwiseInverse();
  const MatrixXd scaled = inverse.asDiagonal() * gram * inverse.asDiagonal();
  VectorXd right(size);
  for (Index k = 0; k < size; ++k) {
    const Index j = active[static_cast<std::size_t>(k)];
    right(k) = problem.right(j) - std::copysign(problem.l1, near(j));
  }
  const Eigen::LLT<MatrixXd> cholesky(scaled);
  if (cholesky.info() != Eigen::Success || !(cholesky.rcond() > 1e-12)) return std::nullopt;
  const VectorXd solution = cholesky.solve(right.cwiseProduct(inverse)).cwiseProduct(inverse);
  VectorXd exact = VectorXd::Zero(near.size());
  for (Index k = 0; k < size; ++k) {
    const Index j = active[static_cast<std::size_t>(k)];
    if (!(solution(k) * near(j) > 0.0)) return std::nullopt;
    exact(j) = solution(k);
  }
  const VectorXd gradient = problem.right - problem.gram * exact;
  for (Index j = 0; j < near.size(); ++j) {
    if (exact(j) == 0.0 && std::abs(gradient(j)) > problem.l1 * (1.0 + kGradientSlack))
      return std::nullopt;
  }
  return exact;
}

}  // namespace

Descent coordinate_descent(const PenalisedProducts& problem, double tol, std::int64_t max_iter,
                           const std::stop_token& stop) {
  const Index p = problem.right.size();
  const VectorXd diagonal = problem.gram.diagonal();
  Descent descent{.coefficients = VectorXd::Zero(p)};
  VectorXd& b = descent.coefficients;
  VectorXd products = VectorXd::Zero(p);
  double wanted = tol;  // relative; made smaller once it is reached
  while (descent.passes < max_iter) {
    if (stop.stop_requested())
      throw core::Error(core::ErrorCode::kCancelled, "the fit was stopped");
    ++descent.passes;
    double largest = 0.0;
    double largest_step = 0.0;
    for (Index j = 0; j < p; ++j) {
      if (!(diagonal(j) > 0.0)) continue;
      const double before = b(j);
      const double toward = problem.right(j) - products(j) + diagonal(j) * before;
      b(j) = soft_threshold(toward, problem.l1) / (diagonal(j) + problem.l2);
      if (b(j) != before) products += (b(j) - before) * problem.gram.col(j);
      largest_step = std::max(largest_step, std::abs(b(j) - before));
      largest = std::max(largest, std::abs(b(j)));
    }
    if (largest_step > std::min(wanted, 1e-2) * largest && descent.passes < max_iter) continue;
    products = problem.gram * b;  // what rounding has added up is gone
    descent.gap = duality_gap(problem, b, products);
    if (descent.gap > wanted * problem.target_square) continue;
    descent.converged = true;
    if (std::optional<VectorXd> exact = solve_for_signs(problem, b)) {
      b = std::move(*exact);
      break;
    }
    if (wanted <= kLeastGap || largest == 0.0) break;
    wanted = std::max(kLeastGap, wanted / 10.0);
  }
  return descent;
}

}  // namespace mutirao::models::internal
