#pragma once

// What linear regressors have in common once they are fitted: coefficients, intercept, prediction,
// storage.
//
// Purpose: Ridge, Lasso and ElasticNet differ only in what they minimise. Thread safety and
// failure: models/estimator.hpp; a missing or infinite value is core::InvalidInput that names
// column and row.

#include <cstdint>
#include <span>
#include <vector>

#include "mutirao/models/estimator.hpp"

namespace mutirao::models {

class LinearPredictor : public Estimator {
 public:
  /// n_features of them, in the units of the columns.
  const std::vector<double>& coefficients() const noexcept { return coefficients_; }
  double intercept() const noexcept { return intercept_; }

  bool fitted() const noexcept override { return !coefficients_.empty(); }
  std::size_t n_features() const noexcept override { return coefficients_.size(); }
  void save(SectionWriter& writer) const override;
  void load(const SectionReader& reader) override;

 protected:
  /// Takes what a fit has found.
  void assign(std::vector<double> coefficients, double intercept);

 private:
  void predict_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                    std::span<double> out, exec::CoreBudget& budget) const final;

  std::vector<double> coefficients_;
  double intercept_ = 0.0;
};

/// A linear model as numbers.
struct LinearForm {
  std::vector<double> coefficients;
  double intercept = 0.0;
};

/// The same model for the columns as they were before they were standardised: what a coefficient
/// means in the units of the table. Requires: one Standardization for each coefficient.
LinearForm in_original_units(const LinearPredictor& model,
                             std::span<const data::Standardization> columns);

}  // namespace mutirao::models
