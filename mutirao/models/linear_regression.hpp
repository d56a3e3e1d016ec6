#pragma once

// Ordinary least squares.
//
// Purpose: scikit-learn's LinearRegression, sooner. Guarantees: the minimum-norm solution, as
// LAPACK's gelsd gives it to scikit-learn: also for collinear columns, constant columns and more
// columns than rows. Method: a ladder, each rung of which checks its own result and hands over to
// the next: (1) Gram matrix of the centred and scaled columns, Cholesky, refined with residuals
// from the data unless the columns are far from depending on each other; (2) Cholesky QR, twice;
// (3) Householder QR over blocks of rows and a singular value decomposition of R, cut as gelsd
// cuts. One level of each one-hot block is left out, and the block's coefficients are shifted to
// sum zero, which is where the minimum norm lies. Thread safety and failure: models/estimator.hpp;
// a missing or infinite value is core::InvalidInput that names column and row.
//
//   LinearRegression line;
//   line.fit(x, y);
//   double slope = line.coefficients()[0];

#include <cstdint>
#include <vector>

#include "mutirao/models/estimator.hpp"

namespace mutirao::models {

struct LinearRegressionOptions {
  /// Whether a constant is added to the model.
  bool fit_intercept = true;
};

class LinearRegression final : public Estimator {
 public:
  static constexpr std::string_view kName = "linear_regression";
  using Options = LinearRegressionOptions;
  /// The rung of the ladder that gave the solution.
  enum class Solver : std::uint8_t { kNone, kCholesky, kCholeskyQr, kSvd };

  explicit LinearRegression(Options options = {}) : options_(options) {}

  using Estimator::fit;
  void fit(const TrainingSet& training, const FitContext& context) override;

  const Options& options() const noexcept { return options_; }
  /// n_features of them, in the units of the columns.
  const std::vector<double>& coefficients() const noexcept { return coefficients_; }
  double intercept() const noexcept { return intercept_; }
  Solver solver() const noexcept { return solver_; }
  /// The rank of the centred columns; less than n_features() when they depend on each other.
  std::size_t rank() const noexcept { return rank_; }

  std::string_view name() const noexcept override { return kName; }
  ParameterMap parameters() const override;
  std::unique_ptr<Estimator> clone() const override;
  bool fitted() const noexcept override { return solver_ != Solver::kNone; }
  std::size_t n_features() const noexcept override { return coefficients_.size(); }
  void save(SectionWriter& writer) const override;
  void load(const SectionReader& reader) override;

 private:
  void predict_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                    std::span<double> out, exec::CoreBudget& budget) const override;

  Options options_;
  std::vector<double> coefficients_;
  double intercept_ = 0.0;
  Solver solver_ = Solver::kNone;
  std::size_t rank_ = 0;
};

}  // namespace mutirao::models
