#pragma once

// Extremely randomised trees (Geurts, Ernst, Wehenkel 2006): forests whose thresholds are drawn.
//
// Purpose: scikit-learn's ExtraTreesRegressor and ExtraTreesClassifier, sooner. Guarantees: a node
// draws one threshold per feature that it looks at, uniform between the least and the largest value
// in the node, and takes the best of these splits; missing values go to the side where they gain
// more. All else, warm_start too, is as in models/random_forest.hpp, but each tree sees all rows
// unless bootstrap is set.
//
//   ExtraTreesRegressor trees({.n_estimators = 100});
//   trees.fit(x, y);

#include <cstdint>
#include <optional>
#include <vector>

#include "mutirao/models/random_forest.hpp"

namespace mutirao::models {

/// Names and defaults are scikit-learn's; what is not explained here is as in RandomForestOptions.
struct ExtraTreesOptions {
  std::int64_t n_estimators = 100;
  bool bootstrap = false;
  std::optional<CountOrFraction> max_samples;
  bool oob_score = false;
  bool warm_start = false;
  TreeOptions tree;
};

class ExtraTreesRegressor final : public Estimator {
 public:
  static constexpr std::string_view kName = "extra_trees";
  using Options = ExtraTreesOptions;

  explicit ExtraTreesRegressor(Options options = {});

  using Estimator::fit;
  void fit(const TrainingSet& training, const FitContext& context) override;

  const Options& options() const noexcept { return options_; }
  /// For a further fit with warm_start.
  void set_n_estimators(std::int64_t n_estimators);
  const TreeNodes& nodes() const noexcept { return forest_.nodes; }
  /// The mean of the trees' importances, scaled to sum 1.
  const std::vector<double>& feature_importances() const noexcept override {
    return forest_.importances;
  }
  /// r2 of the out-of-bag predictions; NaN unless options().oob_score. Not kept in model files.
  double oob_score() const noexcept { return forest_.oob_score; }
  /// One per training row; NaN for a row that every tree saw. Empty unless options().oob_score.
  const std::vector<double>& oob_prediction() const noexcept { return forest_.oob_prediction; }

  std::string_view name() const noexcept override { return kName; }
  ParameterMap parameters() const override;
  std::unique_ptr<Estimator> clone() const override;
  bool fitted() const noexcept override { return nodes().trees() != 0; }
  std::size_t n_features() const noexcept override { return nodes().n_features(); }
  void save(SectionWriter& writer) const override;
  void load(const SectionReader& reader) override;

 private:
  void predict_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                    std::span<double> out, exec::CoreBudget& budget) const override;

  Options options_;
  Forest forest_;
};

class ExtraTreesClassifier final : public Classifier {
 public:
  static constexpr std::string_view kName = "extra_trees";
  using Options = ExtraTreesOptions;

  explicit ExtraTreesClassifier(Options options = {});

  using Estimator::fit;
  void fit(const TrainingSet& training, const FitContext& context) override;

  const Options& options() const noexcept { return options_; }
  /// For a further fit with warm_start.
  void set_n_estimators(std::int64_t n_estimators);
  const TreeNodes& nodes() const noexcept { return forest_.nodes; }
  /// The mean of the trees' importances, scaled to sum 1.
  const std::vector<double>& feature_importances() const noexcept override {
    return forest_.importances;
  }
  /// Accuracy of the out-of-bag predictions; NaN unless options().oob_score. Not kept in model
  /// files.
  double oob_score() const noexcept { return forest_.oob_score; }
  /// Probabilities by the trees that did not see the row: training rows x n_classes(); NaN for a
  /// row that every tree saw. Empty unless options().oob_score.
  const std::vector<double>& oob_decision_function() const noexcept {
    return forest_.oob_prediction;
  }

  std::string_view name() const noexcept override { return kName; }
  ParameterMap parameters() const override;
  std::unique_ptr<Estimator> clone() const override;
  std::size_t n_classes() const noexcept override { return nodes().n_classes(); }
  bool fitted() const noexcept override { return nodes().trees() != 0; }
  std::size_t n_features() const noexcept override { return nodes().n_features(); }
  void save(SectionWriter& writer) const override;
  void load(const SectionReader& reader) override;

 private:
  void predict_proba_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                          std::span<double> out, exec::CoreBudget& budget) const override;

  Options options_;
  Forest forest_;
};

}  // namespace mutirao::models
