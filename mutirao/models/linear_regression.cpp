#include "mutirao/models/linear_regression.hpp"

#include <array>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/least_squares.hpp"
#include "mutirao/models/internal/linear_values.hpp"
#include "mutirao/models/internal/parameter_table.hpp"
#include "mutirao/models/internal/sections.hpp"

namespace mutirao::models {

void LinearRegression::fit(const TrainingSet& training, const FitContext& context) {
  check(training);
  if (context.stop.stop_requested())
    throw core::Error(core::ErrorCode::kCancelled, "the fit was stopped");
  exec::CoreBudget& budget =
      context.budget != nullptr ? *context.budget : exec::CoreBudget::current();
  internal::LeastSquares solution =
      internal::solve_least_squares(training, options_.fit_intercept, budget, context.max_cores);
  coefficients_ = std::move(solution.coefficients);
  intercept_ = solution.intercept;
  solver_ = solution.solver;
  rank_ = solution.rank;
  if (context.progress) context.progress(1, 1);
}

ParameterMap LinearRegression::parameters() const {
  return internal::write_parameters(internal::linear_regression_parameters(), options_);
}

std::unique_ptr<Estimator> LinearRegression::clone() const {
  return std::make_unique<LinearRegression>(options_);
}

void LinearRegression::predict_rows(data::MatrixView x,
                                    std::optional<std::span<const std::uint32_t>> rows,
                                    std::span<double> out, exec::CoreBudget& budget) const {
  internal::linear_values(x, rows, coefficients_, intercept_, out, budget);
}

void LinearRegression::save(SectionWriter& writer) const {
  writer.add("coefficients", std::span<const double>(coefficients_));
  const std::array<double, 3> rest = {intercept_, static_cast<double>(solver_),
                                      static_cast<double>(rank_)};
  writer.keep("intercept_solver_rank", std::span<const double>(rest));
}

void LinearRegression::load(const SectionReader& reader) {
  const std::span<const double> coefficients = reader.get<double>("coefficients");
  const std::span<const double> rest = reader.get<double>("intercept_solver_rank");
  const auto most = static_cast<double>(Solver::kSvd);
  if (rest.size() != 3 || !(rest[1] >= 1.0 && rest[1] <= most) || !(rest[2] >= 0.0) ||
      !(rest[2] <= static_cast<double>(coefficients.size())))
    throw core::CorruptFile("the linear model is not well formed");
  coefficients_.assign(coefficients.begin(), coefficients.end());
  intercept_ = rest[0];
  solver_ = static_cast<Solver>(static_cast<int>(rest[1]));
  rank_ = static_cast<std::size_t>(rest[2]);
}

}  // namespace mutirao::models
