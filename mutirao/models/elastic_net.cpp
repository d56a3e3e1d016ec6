#include "mutirao/models/elastic_net.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "mutirao/models/internal/coordinate_descent.hpp"
#include "mutirao/models/internal/least_squares.hpp"
#include "mutirao/models/internal/linear_parameters.hpp"
#include "mutirao/models/internal/linear_problem.hpp"
#include "mutirao/models/internal/ridge_solver.hpp"

namespace mutirao::models {
namespace {

internal::LinearSolution solve(std::string_view estimator, const ElasticNetOptions& options,
                               const TrainingSet& training, const FitContext& context) {
  internal::throw_if_stopped(context);
  if (options.alpha == 0.0) {
    internal::LeastSquares exact = internal::solve_least_squares(
        training, options.fit_intercept, internal::budget_of(context), context.max_cores);
    return {.coefficients = std::move(exact.coefficients), .intercept = exact.intercept};
  }
  internal::LinearProblem problem(training, options.fit_intercept, context);
  const internal::Centred& centred = problem.centred;
  const double l1 = options.alpha * options.l1_ratio * centred.weight;
  const double l2 = options.alpha * (1.0 - options.l1_ratio) * centred.weight;
  internal::LinearSolution solution;
  if (l1 == 0.0) {
    solution = internal::solve_ridge(problem.blocks, centred, l2, options.fit_intercept);
  } else {
    const Eigen::Index p = centred.products.cols() - 1;
    const Eigen::MatrixXd gram = centred.products.topLeftCorner(p, p);
    const Eigen::VectorXd right = centred.products.col(p).head(p);
    const double target_square = centred.products(p, p);
    const internal::Descent descent = internal::coordinate_descent(
        {.gram = gram, .right = right, .target_square = target_square, .l1 = l1, .l2 = l2},
        options.tol, options.max_iter, context.stop);
    if (!descent.converged && context.warn) {
      context.warn(fmt::format(
          "{} has not converged: after {} passes the duality gap is {:.3g} of the target's sum of "
          "squares, and tol is {:.3g} (raise max_iter, tol or alpha)",
          estimator, descent.passes, descent.gap / target_square, options.tol));
    }
    solution.coefficients.assign(descent.coefficients.data(), descent.coefficients.data() + p);
    if (options.fit_intercept)
      solution.intercept = internal::intercept_of(centred, solution.coefficients);
  }
  if (!std::all_of(solution.coefficients.begin(), solution.coefficients.end(),
                   [](double value) { return std::isfinite(value); }))
    internal::throw_too_large(training, problem.blocks.budget(), context.max_cores);
  return solution;
}

}  // namespace

ElasticNet::ElasticNet(Options options) : options_(options) {
  internal::check_options(kName, internal::elastic_net_parameters(), options_);
}

void ElasticNet::fit(const TrainingSet& training, const FitContext& context) {
  check(training);
  internal::LinearSolution solution = solve(kName, options_, training, context);
  assign(std::move(solution.coefficients), solution.intercept);
  if (context.progress) context.progress(1, 1);
}

ParameterMap ElasticNet::parameters() const {
  return internal::write_parameters(internal::elastic_net_parameters(), options_);
}

std::unique_ptr<Estimator> ElasticNet::clone() const {
  return std::make_unique<ElasticNet>(options_);
}

Lasso::Lasso(Options options) : options_(options) {
  internal::check_options(kName, internal::lasso_parameters(), options_);
}

void Lasso::fit(const TrainingSet& training, const FitContext& context) {
  check(training);
  internal::LinearSolution solution = solve(kName,
                                            {.alpha = options_.alpha,
                                             .l1_ratio = 1.0,
                                             .fit_intercept = options_.fit_intercept,
                                             .max_iter = options_.max_iter,
                                             .tol = options_.tol},
                                            training, context);
  assign(std::move(solution.coefficients), solution.intercept);
  if (context.progress) context.progress(1, 1);
}

ParameterMap Lasso::parameters() const {
  return internal::write_parameters(internal::lasso_parameters(), options_);
}

std::unique_ptr<Estimator> Lasso::clone() const { return std::make_unique<Lasso>(options_); }

}  // namespace mutirao::models
