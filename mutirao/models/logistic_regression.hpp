#pragma once

// Linear scores of classes, turned into probabilities.
//
// Purpose: scikit-learn's LogisticRegression, multinomial for more than two classes: minimises
//   C sum w log loss + |coefficients|^2 / 2
// (without the last term when penalty is "none") on the columns as they are given; nothing is
// standardised here, and intercepts cost nothing. Guarantees: models/estimator.hpp; the minimum is
// reached to about ten digits. Algorithm: Newton's method with a line search, from what a sample of
// many rows begins with; its steps are solved by conjugate gradients, preconditioned with the
// Hessian of few parameters or the blocks of many, over the rows that are not told apart perfectly.
// Classes without a row have probability 0. Thread safety: models/estimator.hpp. Failure: the same,
// and core::InvalidInput when all rows are of one class, or for a missing or infinite value, which
// it names. A fit that ends at max_iter is a result, with FitContext::warn.
//
//   LogisticRegression model({.C = 0.1});
//   model.fit(x, classes);
//   std::vector<double> probabilities = model.predict_proba(x_new);

#include <cstdint>
#include <string>
#include <vector>

#include "mutirao/models/estimator.hpp"

namespace mutirao::models {

struct LogisticRegressionOptions {
  /// "l2" or "none".
  std::string penalty = "l2";
  /// How much the data counts against the penalty. Above 0.
  double C = 1.0;
  /// Whether each class has a constant.
  bool fit_intercept = true;
  /// "none", or "balanced": each class counts as much as any other, whatever its number of rows.
  std::string class_weight = "none";
  /// The fit ends when no slope of the objective, divided by C, is larger. Above 0.
  double tol = 1e-4;
  /// The most steps. At least 1.
  std::int64_t max_iter = 100;
};

class LogisticRegression final : public Classifier {
 public:
  static constexpr std::string_view kName = "logistic_regression";
  using Options = LogisticRegressionOptions;

  explicit LogisticRegression(Options options = {});

  using Estimator::fit;
  void fit(const TrainingSet& training, const FitContext& context) override;

  const Options& options() const noexcept { return options_; }
  /// The classes that had rows, increasing.
  const std::vector<std::uint32_t>& seen_classes() const noexcept { return seen_; }
  /// Row-major, n_features to a row. Two seen classes: one row, the log odds of the second. More: a
  /// row for each.
  const std::vector<double>& coefficients() const noexcept { return coefficients_; }
  /// One for each row of coefficients().
  const std::vector<double>& intercepts() const noexcept { return intercepts_; }

  std::string_view name() const noexcept override { return kName; }
  ParameterMap parameters() const override;
  std::unique_ptr<Estimator> clone() const override;
  std::size_t n_classes() const noexcept override { return n_classes_; }
  bool fitted() const noexcept override { return n_classes_ != 0; }
  std::size_t n_features() const noexcept override { return n_features_; }
  void save(SectionWriter& writer) const override;
  void load(const SectionReader& reader) override;

 private:
  void predict_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                    std::span<double> out, exec::CoreBudget& budget) const override;
  void predict_proba_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                          std::span<double> out, exec::CoreBudget& budget) const override;

  /// take(first, count, scores, stride): of `count` rows from `first` on, from any thread, the
  /// scores, a run of `stride` per output; none is missing or infinite.
  template <class Take>
  void score(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows, std::size_t n,
             exec::CoreBudget& budget, const Take& take) const;

  Options options_;
  std::vector<double> coefficients_;
  std::vector<double> intercepts_;
  std::vector<std::uint32_t> seen_;
  std::size_t n_classes_ = 0;
  std::size_t n_features_ = 0;
};

}  // namespace mutirao::models
