#pragma once

// Least squares with a penalty on the squares of the coefficients.
//
// Purpose: scikit-learn's Ridge: minimises sum w (y - x b - c)^2 + alpha |b|^2 on the columns as
// they are given; nothing is standardised here. Guarantees: models/estimator.hpp. Algorithm:
// Cholesky of the centred, scaled products of columns, refined with residuals from the data where
// they are ill conditioned; else QR over blocks of rows and a singular value decomposition of R.
// alpha = 0 is LinearRegression. Thread safety and failure: models/linear_predictor.hpp.
//
//   Ridge ridge({.alpha = 10.0});
//   ridge.fit(x, y);

#include "mutirao/models/linear_predictor.hpp"

namespace mutirao::models {

struct RidgeOptions {
  /// What a coefficient costs: alpha times its square. At least 0.
  double alpha = 1.0;
  /// Whether a constant, which costs nothing, is added to the model.
  bool fit_intercept = true;
};

class Ridge final : public LinearPredictor {
 public:
  static constexpr std::string_view kName = "ridge";
  using Options = RidgeOptions;

  explicit Ridge(Options options = {});

  using Estimator::fit;
  void fit(const TrainingSet& training, const FitContext& context) override;

  const Options& options() const noexcept { return options_; }
  std::string_view name() const noexcept override { return kName; }
  ParameterMap parameters() const override;
  std::unique_ptr<Estimator> clone() const override;

 private:
  Options options_;
};

}  // namespace mutirao::models
