#pragma once

// Predictions that look at no feature: what every model has to beat.
//
// Purpose: DummyRegressor predicts the mean or the median of the training targets for every row;
// DummyClassifier gives every row the shares of the classes among the training rows. Registered as
// "baseline" for both tasks. Guarantees: scikit-learn's estimators of these names, but for a
// weighted median: rows of equal weight have the median that they have without weights. Missing and
// infinite features do not matter. Thread safety and failure: models/estimator.hpp.
//
//   DummyRegressor baseline({.strategy = "median"});
//   baseline.fit(x, y);

#include <string>
#include <vector>

#include "mutirao/models/estimator.hpp"

namespace mutirao::models {

struct DummyRegressorOptions {
  /// "mean" or "median".
  std::string strategy = "mean";
};

class DummyRegressor final : public Estimator {
 public:
  static constexpr std::string_view kName = "baseline";
  using Options = DummyRegressorOptions;

  explicit DummyRegressor(Options options = {});

  using Estimator::fit;
  void fit(const TrainingSet& training, const FitContext& context) override;

  const Options& options() const noexcept { return options_; }
  /// What every row is predicted to be.
  double constant() const noexcept { return constant_; }

  std::string_view name() const noexcept override { return kName; }
  ParameterMap parameters() const override;
  std::unique_ptr<Estimator> clone() const override;
  bool fitted() const noexcept override { return n_features_ != 0; }
  std::size_t n_features() const noexcept override { return n_features_; }
  void save(SectionWriter& writer) const override;
  void load(const SectionReader& reader) override;

 private:
  void predict_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                    std::span<double> out, exec::CoreBudget& budget) const override;

  Options options_;
  double constant_ = 0.0;
  std::size_t n_features_ = 0;
};

struct DummyClassifierOptions {
  /// "prior": probabilities are the shares of the classes. "most_frequent": the commonest class has
  /// probability 1. Both predict the commonest class, of equals the first.
  std::string strategy = "prior";
};

class DummyClassifier final : public Classifier {
 public:
  static constexpr std::string_view kName = "baseline";
  using Options = DummyClassifierOptions;

  explicit DummyClassifier(Options options = {});

  using Estimator::fit;
  void fit(const TrainingSet& training, const FitContext& context) override;

  const Options& options() const noexcept { return options_; }
  /// n_classes() of them: the probabilities that every row has.
  const std::vector<double>& class_prior() const noexcept { return prior_; }

  std::string_view name() const noexcept override { return kName; }
  ParameterMap parameters() const override;
  std::unique_ptr<Estimator> clone() const override;
  std::size_t n_classes() const noexcept override { return prior_.size(); }
  bool fitted() const noexcept override { return n_features_ != 0; }
  std::size_t n_features() const noexcept override { return n_features_; }
  void save(SectionWriter& writer) const override;
  void load(const SectionReader& reader) override;

 private:
  void predict_proba_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                          std::span<double> out, exec::CoreBudget& budget) const override;

  Options options_;
  std::vector<double> prior_;
  std::size_t n_features_ = 0;
};

}  // namespace mutirao::models
