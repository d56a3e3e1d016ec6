#pragma once

// Trees that each mend what those before them got wrong.
//
// Purpose: gradient boosting through the XGBoost library: names, meanings and defaults of
// parameters are those of XGBoost (XGBRegressor, XGBClassifier) with its histogram trees. Missing
// values take the side of a split that suits them. Features are compared as 32-bit floats.
// Requires: a build that found XGBoost, and its library at fit(); predictions and model files need
// neither, for the trees are kept in a form of our own. Guarantees: models/estimator.hpp; a fit
// uses one thread, for with another number of threads XGBoost's sums may round differently. Squared
// error is fitted around the mean of the targets, classes by their log loss. Thread safety:
// models/estimator.hpp. Failure: the same; core::Unsupported without the library.
//
//   GradientBoostingClassifier model({.n_estimators = 300, .learning_rate = 0.05});
//   model.fit(x, classes);

#include <cstdint>
#include <memory>
#include <vector>

#include "mutirao/models/estimator.hpp"

namespace mutirao::models {

namespace internal {
class BoostedTrees;
}

struct GradientBoostingOptions {
  /// Rounds; a round grows one tree, or one for each class when there are more than two.
  std::int64_t n_estimators = 100;
  /// What a new tree counts. Above 0, at most 1.
  double learning_rate = 0.3;
  /// Levels of splits of a tree at most. 1 to 30.
  std::int64_t max_depth = 6;
  /// The sum of second derivatives (for squared error: of weights) that a leaf must have.
  double min_child_weight = 1.0;
  /// What a split must gain.
  double gamma = 0.0;
  /// The share of rows that a tree sees. Above 0, at most 1.
  double subsample = 1.0;
  /// The share of features that a tree sees. Above 0, at most 1.
  double colsample_bytree = 1.0;
  /// The penalty on squared leaf values.
  double reg_lambda = 1.0;
  /// The penalty on absolute leaf values.
  double reg_alpha = 0.0;
  /// Thresholds of a feature that are looked at, at most. 2 to 65536.
  std::int64_t max_bin = 256;
};

class GradientBoostingRegressor final : public Estimator {
 public:
  static constexpr std::string_view kName = "gradient_boosting";
  using Options = GradientBoostingOptions;

  explicit GradientBoostingRegressor(Options options = {});

  using Estimator::fit;
  void fit(const TrainingSet& training, const FitContext& context) override;

  const Options& options() const noexcept { return options_; }
  /// Requires: fitted().
  const internal::BoostedTrees& trees() const noexcept { return *trees_; }
  std::string_view name() const noexcept override { return kName; }
  ParameterMap parameters() const override;
  std::unique_ptr<Estimator> clone() const override;
  bool fitted() const noexcept override { return trees_ != nullptr; }
  std::size_t n_features() const noexcept override;
  void save(SectionWriter& writer) const override;
  void load(const SectionReader& reader) override;

 private:
  void predict_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                    std::span<double> out, exec::CoreBudget& budget) const override;

  Options options_;
  std::shared_ptr<const internal::BoostedTrees> trees_;
};

class GradientBoostingClassifier final : public Classifier {
 public:
  static constexpr std::string_view kName = "gradient_boosting";
  using Options = GradientBoostingOptions;

  explicit GradientBoostingClassifier(Options options = {});

  using Estimator::fit;
  void fit(const TrainingSet& training, const FitContext& context) override;

  const Options& options() const noexcept { return options_; }
  /// Requires: fitted().
  const internal::BoostedTrees& trees() const noexcept { return *trees_; }
  std::string_view name() const noexcept override { return kName; }
  ParameterMap parameters() const override;
  std::unique_ptr<Estimator> clone() const override;
  std::size_t n_classes() const noexcept override;
  bool fitted() const noexcept override { return trees_ != nullptr; }
  std::size_t n_features() const noexcept override;
  void save(SectionWriter& writer) const override;
  void load(const SectionReader& reader) override;

 private:
  void predict_proba_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                          std::span<double> out, exec::CoreBudget& budget) const override;

  Options options_;
  std::shared_ptr<const internal::BoostedTrees> trees_;
};

}  // namespace mutirao::models
