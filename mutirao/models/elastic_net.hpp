#pragma once

// Least squares with a penalty on the absolute coefficients, which makes some of them 0.
//
// Purpose: scikit-learn's ElasticNet and Lasso: minimise
//   sum w (y - x b - c)^2 / (2 sum w) + alpha l1_ratio |b|_1 + alpha (1 - l1_ratio) |b|^2 / 2
// on the columns as they are given; nothing is standardised here. Lasso is l1_ratio = 1.
// Guarantees: models/estimator.hpp. Algorithm: coordinate descent on the centred products of
// columns (Friedman, Hastie, Tibshirani 2010), until the duality gap is tol times the centred
// target's sum of squares; then the signs are known as a rule, and the coefficients are solved for
// exactly. Needs memory for n_features x n_features numbers. Thread safety and failure:
// models/linear_predictor.hpp; a descent that ends at max_iter is a result, with FitContext::warn.
//
//   Lasso lasso({.alpha = 0.1});
//   lasso.fit(x, y);

#include <cstdint>

#include "mutirao/models/linear_predictor.hpp"

namespace mutirao::models {

struct ElasticNetOptions {
  /// The weight of both penalties. At least 0.
  double alpha = 1.0;
  /// The share of the penalty on absolute values. 0 to 1.
  double l1_ratio = 0.5;
  /// Whether a constant, which costs nothing, is added to the model.
  bool fit_intercept = true;
  /// The most passes over the coefficients. At least 1.
  std::int64_t max_iter = 1000;
  /// The duality gap at which the descent ends, relative to the target's sum of squares. At least
  /// 0.
  double tol = 1e-4;
};

class ElasticNet final : public LinearPredictor {
 public:
  static constexpr std::string_view kName = "elastic_net";
  using Options = ElasticNetOptions;

  explicit ElasticNet(Options options = {});

  using Estimator::fit;
  void fit(const TrainingSet& training, const FitContext& context) override;

  const Options& options() const noexcept { return options_; }
  std::string_view name() const noexcept override { return kName; }
  ParameterMap parameters() const override;
  std::unique_ptr<Estimator> clone() const override;

 private:
  Options options_;
};

struct LassoOptions {
  /// The weight of the penalty. At least 0.
  double alpha = 1.0;
  /// Whether a constant, which costs nothing, is added to the model.
  bool fit_intercept = true;
  /// The most passes over the coefficients. At least 1.
  std::int64_t max_iter = 1000;
  /// The duality gap at which the descent ends, relative to the target's sum of squares. At least
  /// 0.
  double tol = 1e-4;
};

class Lasso final : public LinearPredictor {
 public:
  static constexpr std::string_view kName = "lasso";
  using Options = LassoOptions;

  explicit Lasso(Options options = {});

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
