#include "mutirao/models/internal/newton.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "mutirao/models/internal/linear_problem.hpp"
#include "mutirao/models/internal/preconditioner.hpp"

namespace mutirao::models::internal {
namespace {

using Eigen::VectorXd;

/// A step that promises less of the objective, relatively, is the last.
constexpr double kLeastGain = 1e-10;
/// The same on a sample of the rows, which only says where to begin.
constexpr double kLeastGainOfSample = 1e-4;
/// Rows of a sample at least, and per parameter, and of the rows the share that costs little.
constexpr std::size_t kSampledRows = 2048;
constexpr std::size_t kSampledRowsPerParameter = 128;
constexpr std::size_t kSampledShare = 32;
/// Of fewer rows than so many samples, a sample saves nothing.
constexpr std::size_t kLeastSamples = 4;
/// A whole step leaves at most this share of what it gained to the next, for it solves a digit of
/// the slope at least (see solve_step()).
constexpr double kLeft = 1e-2;
/// Of the slope's promise, what a step must bring (Armijo 1966).
constexpr double kShare = 1e-4;
constexpr int kMostHalvings = 40;
constexpr int kMostProducts = 250;
/// Conjugate gradients that needed more products get a new preconditioner.
constexpr int kManyProducts = 8;

/// When to end.
struct Ends {
  double tol = 0.0;
  double least_gain = 0.0;
  std::int64_t max_iter = 0;
};

/// Parameters, and the objective there.
struct Point {
  VectorXd parameters;
  VectorXd gradient;
  double value = 0.0;
};

/// Solves Hessian * step = -gradient as exactly as is worth while (Steihaug 1983; Nocedal and
/// Wright, Numerical Optimization, algorithm 7.1). Gives the number of products.
int solve_step(const LogisticProblem& problem, const Preconditioner& preconditioner,
               const Point& point, const Ends& ends, VectorXd& step) {
  step = VectorXd::Zero(point.gradient.size());
  VectorXd residual = -point.gradient;
  VectorXd solved = preconditioner.solve(residual);
  VectorXd direction = solved;
  double size = residual.dot(solved);
  const double first = size;
  // Squares: half a digit at first, more as the minimum comes near; but no more than the end needs.
  const double wanted = first * std::clamp(std::sqrt(first / std::abs(point.value)), 1e-4, 1e-1);
  const double enough = 0.1 * ends.least_gain * std::abs(point.value);
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
    solved = preconditioner.solve(residual);
    const double next = residual.dot(solved);
    if (!(next > wanted)) return i + 1;
    if (next <= enough && residual.cwiseAbs().maxCoeff() <= 0.5 * ends.tol) return i + 1;
    direction = solved + (next / size) * direction;
    size = next;
  }
  return kMostProducts;
}

/// The share of the step, halved at most `most` times, that makes the objective enough smaller; the
/// point moves there. 0: none does, and the point stays.
double move(LogisticProblem& problem, Point& point, const VectorXd& step, bool flat, int most) {
  const double slope = point.gradient.dot(step);
  Point next;
  double length = 1.0;
  for (int halving = 0; halving <= most; ++halving, length *= 0.5) {
    next.parameters = point.parameters + length * step;
    next.value = problem.evaluate(next.parameters, next.gradient);
    const bool lower = next.value <= point.value + kShare * length * slope;
    // Where the objective's digits end, the slopes still tell.
    const bool flatter =
        flat && next.gradient.cwiseAbs().maxCoeff() < point.gradient.cwiseAbs().maxCoeff();
    if (!lower && !flatter) continue;
    point = std::move(next);
    return length;
  }
  problem.evaluate(point.parameters, point.gradient);
  return 0.0;
}

void report(const FitContext& context, const NewtonResult& result, const Ends& ends) {
  throw_if_stopped(context);
  if (!context.progress) return;
  context.progress(static_cast<std::uint64_t>(result.steps),
                   static_cast<std::uint64_t>(ends.max_iter));
}

/// Steps of limited-memory BFGS (Liu and Nocedal 1989) whose first guess at the inverse Hessian is
/// the preconditioner: one look at the rows each. Ends early where they do not bring much.
void approach(LogisticProblem& problem, Point& point, const Preconditioner& preconditioner,
              const Ends& ends, const FitContext& context, NewtonResult& result) {
  struct Pair {
    VectorXd step;
    VectorXd bend;  // by how much the gradient changed
    double product = 0.0;
  };
  std::vector<Pair> pairs;
  while (result.steps < ends.max_iter) {
    report(context, result, ends);
    VectorXd step = -point.gradient;
    std::vector<double> shares(pairs.size());
    for (std::size_t i = pairs.size(); i-- > 0;) {
      shares[i] = pairs[i].step.dot(step) / pairs[i].product;
      step -= shares[i] * pairs[i].bend;
    }
    step = preconditioner.solve(step);
    for (std::size_t i = 0; i < pairs.size(); ++i)
      step += (shares[i] - pairs[i].bend.dot(step) / pairs[i].product) * pairs[i].step;
    const bool flat = !(-point.gradient.dot(step) > ends.least_gain * std::abs(point.value));
    result.steepest = point.gradient.cwiseAbs().maxCoeff();
    result.converged = flat && result.steepest <= ends.tol;
    if (result.converged) return;
    Pair pair{.step = step, .bend = -point.gradient};
    if (move(problem, point, step, flat, 0) == 0.0) return;
    ++result.steps;
    pair.bend += point.gradient;
    pair.product = pair.step.dot(pair.bend);
    if (!(pair.product > 0.0) || point.gradient.cwiseAbs().maxCoeff() > 0.5 * result.steepest)
      return;
    pairs.push_back(std::move(pair));
  }
}

/// Newton's steps, with a preconditioner that is refreshed when it is not good enough.
void descend(LogisticProblem& problem, Point& point, Preconditioner& preconditioner,
             const Ends& ends, const FitContext& context, NewtonResult& result) {
  int products = preconditioner.empty() ? kMostProducts : 0;
  double gained = std::numeric_limits<double>::infinity();  // by the last step, if it was whole
  bool all_rows = false;
  for (;;) {
    report(context, result, ends);
    const double least = ends.least_gain * std::abs(point.value);
    result.steepest = point.gradient.cwiseAbs().maxCoeff();
    result.converged = result.steepest <= ends.tol && kLeft * gained <= least;
    if (result.converged) return;
    if (products > kManyProducts) preconditioner.refresh(problem);
    const bool some_rows = problem.choose_curved_rows(all_rows);
    VectorXd step;
    products = solve_step(problem, preconditioner, point, ends, step);
    const bool flat = !(-point.gradient.dot(step) > least);
    result.converged = flat && result.steepest <= ends.tol;
    if (result.converged || result.steps == ends.max_iter) return;
    const double before = point.value;
    const double length = move(problem, point, step, flat, some_rows ? 0 : kMostHalvings);
    if (length == 0.0 && some_rows) {
      // Rows that were left out count along this step.
      all_rows = true;
      continue;
    }
    if (length == 0.0) {
      // Rounding is all that is left to gain.
      result.converged = flat;
      return;
    }
    gained = length == 1.0 ? before - point.value : std::numeric_limits<double>::infinity();
    ++result.steps;
  }
}

/// False: the objective is no number there.
bool begin(LogisticProblem& problem, Point& point) {
  point.value = problem.evaluate(point.parameters, point.gradient);
  return std::isfinite(point.value) && point.gradient.allFinite();
}

}  // namespace

NewtonResult minimise(LogisticProblem& problem, double tol, std::int64_t max_iter,
                      const FitContext& context) {
  const std::size_t n_parameters = problem.outputs() * problem.stride();
  Point point{.parameters = VectorXd::Zero(index(n_parameters)), .gradient = {}};
  Preconditioner preconditioner;
  const std::size_t sampled = std::max(
      {kSampledRows, kSampledRowsPerParameter * n_parameters, problem.rows() / kSampledShare});
  const std::size_t step = problem.rows() / sampled;
  if (step >= kLeastSamples) {
    LogisticProblem sample = problem.sample(step);
    FitContext silent = context;
    silent.progress = {};
    Point near = point;
    if (begin(sample, near)) {
      NewtonResult found;
      descend(sample, near, preconditioner,
              {.tol = std::numeric_limits<double>::infinity(),
               .least_gain = kLeastGainOfSample,
               .max_iter = max_iter},
              silent, found);
      preconditioner.refresh(sample);
      point = std::move(near);
    }
  }
  const Ends ends{.tol = tol, .least_gain = kLeastGain, .max_iter = max_iter};
  NewtonResult result;
  result.finite = begin(problem, point);
  if (!result.finite) return result;
  if (!preconditioner.empty()) approach(problem, point, preconditioner, ends, context, result);
  if (!result.converged) descend(problem, point, preconditioner, ends, context, result);
  result.parameters = std::move(point.parameters);
  return result;
}

}  // namespace mutirao::models::internal
