#include "mutirao/models/internal/newton.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <Eigen/Cholesky>

#include "mutirao/models/internal/linear_problem.hpp"

namespace mutirao::models::internal {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

/// A step that promises less of the objective, relatively, is the last.
constexpr double kLeastGain = 1e-10;
/// A whole step leaves at most this share of what it gained to the next, for it solves a digit of
/// the slope at least (see solve_step()).
constexpr double kLeft = 1e-2;
/// Of the slope's promise, what a step must bring (Armijo 1966).
constexpr double kShare = 1e-4;
constexpr int kMostHalvings = 40;
constexpr int kMostProducts = 250;
/// Conjugate gradients that needed more products get new blocks to precondition with.
constexpr int kManyProducts = 8;

/// Solves with each output's block of the Hessian.
class BlockSolver {
 public:
  void refresh(const LogisticProblem& problem) {
    blocks_.clear();
    scales_.clear();
    for (std::size_t c = 0; c < problem.outputs(); ++c) {
      MatrixXd block = problem.hessian_block(c);
      // Scaled to a diagonal of 1, and that raised a little: a class that is told apart perfectly
      // has no curvature, and columns may depend on each other.
      const double least = block.diagonal().maxCoeff() * 1e-14 + 1e-300;
      const VectorXd scale = block.diagonal().cwiseMax(least).cwiseSqrt().cwiseInverse();
      block = (scale.asDiagonal() * block * scale.asDiagonal()).eval();
      double raise = 1e-13;
      block.diagonal().setOnes();
      for (;; raise *= 100.0) {
        MatrixXd raised = block;
        raised.diagonal().array() += raise;
        blocks_.emplace_back(raised);
        if (blocks_.back().info() == Eigen::Success || raise > 1.0) break;
        blocks_.pop_back();
      }
      scales_.push_back(scale);
    }
  }
  VectorXd solve(const VectorXd& right) const {
    VectorXd solution(right.size());
    const Index q = right.size() / static_cast<Index>(blocks_.size());
    for (std::size_t c = 0; c < blocks_.size(); ++c) {
      const Index first = static_cast<Index>(c) * q;
      solution.segment(first, q) = blocks_[c]
                                       .solve(right.segment(first, q).cwiseProduct(scales_[c]))
                                       .cwiseProduct(scales_[c]);
    }
    return solution;
  }

 private:
  std::vector<Eigen::LLT<MatrixXd>> blocks_;
  std::vector<VectorXd> scales_;
};

/// Solves Hessian * step = -gradient as exactly as is worth while (Steihaug 1983; Nocedal and
/// Wright, Numerical Optimization, algorithm 7.1). Gives the number of products.
int solve_step(const LogisticProblem& problem, const BlockSolver& blocks, const VectorXd& gradient,
               VectorXd& step) {
  step = VectorXd::Zero(gradient.size());
  VectorXd residual = -gradient;
  VectorXd solved = blocks.solve(residual);
  VectorXd direction = solved;
  double size = residual.dot(solved);
  const double first = size;
  // Squares: one digit at first, more as the minimum comes near.
  const double wanted = first * std::clamp(first, 1e-6, 1e-2);
  for (int i = 0; i < kMostProducts; ++i) {
    const VectorXd product = problem.hessian_times(direction);
    const double curvature = direction.dot(product);
    if (!(curvature > 0.0)) {
      if (i == 0) step = direction;
      return i + 1;
    }
    const double length = size / curvature;
    step += length * direction;
    residual -= length * product;
    solved = blocks.solve(residual);
    const double next = residual.dot(solved);
    if (!(next > wanted)) return i + 1;
    direction = solved + (next / size) * direction;
    size = next;
  }
  return kMostProducts;
}

}  // namespace

NewtonResult minimise(LogisticProblem& problem, double tol, std::int64_t max_iter,
                      const FitContext& context) {
  NewtonResult result;
  VectorXd& parameters = result.parameters;
  parameters = VectorXd::Zero(index(problem.outputs() * problem.stride()));
  VectorXd gradient;
  double value = problem.evaluate(parameters, gradient);
  if (!std::isfinite(value) || !gradient.allFinite()) return result;
  BlockSolver blocks;
  int products = std::numeric_limits<int>::max();
  double gained = std::numeric_limits<double>::infinity();  // by the last step, if it was whole
  for (;; ++result.steps) {
    throw_if_stopped(context);
    if (context.progress) {
      context.progress(static_cast<std::uint64_t>(result.steps),
                       static_cast<std::uint64_t>(max_iter));
    }
    result.steepest = gradient.cwiseAbs().maxCoeff();
    if (result.steepest <= tol && kLeft * gained <= kLeastGain * std::abs(value)) {
      result.converged = true;
      break;
    }
    if (products > kManyProducts || problem.outputs() == 1) blocks.refresh(problem);
    VectorXd step;
    products = solve_step(problem, blocks, gradient, step);
    const double slope = gradient.dot(step);
    const bool flat = !(-slope > kLeastGain * std::abs(value));
    if (flat && result.steepest <= tol) {
      result.converged = true;
      break;
    }
    if (result.steps == max_iter) break;
    double length = 1.0;
    bool found = false;
    const VectorXd before = parameters;
    for (int halving = 0; halving < kMostHalvings && !found; ++halving, length *= 0.5) {
      parameters = before + length * step;
      VectorXd next_gradient;
      const double next = problem.evaluate(parameters, next_gradient);
      // Where the objective's digits end, the slopes still tell.
      const bool lower = next <= value + kShare * length * slope;
      const bool flatter = flat && next_gradient.cwiseAbs().maxCoeff() < result.steepest;
      if (!lower && !flatter) continue;
      found = true;
      gained = halving == 0 ? value - next : std::numeric_limits<double>::infinity();
      value = next;
      gradient = std::move(next_gradient);
    }
    if (!found) {
      // Rounding is all that is left to gain.
      parameters = before;
      result.converged = flat;
      break;
    }
  }
  return result;
}

}  // namespace mutirao::models::internal
