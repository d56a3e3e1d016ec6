#include "mutirao/models/ridge.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "mutirao/models/internal/least_squares.hpp"
#include "mutirao/models/internal/linear_parameters.hpp"
#include "mutirao/models/internal/linear_problem.hpp"
#include "mutirao/models/internal/ridge_solver.hpp"

namespace mutirao::models {

Ridge::Ridge(Options options) : options_(options) {
  internal::check_options(kName, internal::ridge_parameters(), options_);
}

void Ridge::fit(const TrainingSet& training, const FitContext& context) {
  check(training);
  internal::throw_if_stopped(context);
  if (options_.alpha == 0.0) {
    internal::LeastSquares solution = internal::solve_least_squares(
        training, options_.fit_intercept, internal::budget_of(context), context.max_cores);
    assign(std::move(solution.coefficients), solution.intercept);
  } else {
    internal::LinearProblem problem(training, options_.fit_intercept, context);
    internal::LinearSolution solution = internal::solve_ridge(
        problem.blocks, problem.centred, options_.alpha, options_.fit_intercept);
    if (!std::all_of(solution.coefficients.begin(), solution.coefficients.end(),
                     [](double value) { return std::isfinite(value); }))
      internal::throw_too_large(training, problem.blocks.budget(), context.max_cores);
    assign(std::move(solution.coefficients), solution.intercept);
  }
  if (context.progress) context.progress(1, 1);
}

ParameterMap Ridge::parameters() const {
  return internal::write_parameters(internal::ridge_parameters(), options_);
}

std::unique_ptr<Estimator> Ridge::clone() const { return std::make_unique<Ridge>(options_); }

}  // namespace mutirao::models
