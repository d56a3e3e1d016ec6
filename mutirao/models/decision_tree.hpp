#pragma once

// A regression or classification tree (CART), with exact splits.
//
// Purpose: scikit-learn's DecisionTreeRegressor and DecisionTreeClassifier, sooner. Guarantees:
// every split is the best of all thresholds of the features looked at, by squared error or
// impurity; thresholds lie midway between two values, as scikit-learn's; where several features
// split equally well, one is drawn at random; a leaf gives the share of each class in it. Missing
// values (NaN) are tried on both sides and go, in prediction, where they went in training, or with
// the larger part when training had none there. Thread safety and failure: models/estimator.hpp.
//
//   DecisionTreeClassifier tree({.criterion = "entropy", .max_depth = 6});
//   tree.fit(x, y);
//   std::vector<double> probabilities = tree.predict_proba(x_new);

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mutirao/models/estimator.hpp"
#include "mutirao/models/tree_nodes.hpp"

namespace mutirao::models {

/// What limits the growth of a tree; names and defaults are scikit-learn's.
struct TreeOptions {
  /// Regression: "squared_error". Classification: "gini", or "entropy", also called "log_loss".
  /// Empty: the first of these.
  std::string criterion;
  std::optional<std::int64_t> max_depth;
  CountOrFraction min_samples_split = std::int64_t{2};
  CountOrFraction min_samples_leaf = std::int64_t{1};
  double min_weight_fraction_leaf = 0.0;
  MaxFeatures max_features;
  /// When set, the leaf whose split gains most is split first.
  std::optional<std::int64_t> max_leaf_nodes;
  double min_impurity_decrease = 0.0;
  /// Minimal cost-complexity pruning: subtrees that gain less per leaf are cut off.
  double ccp_alpha = 0.0;
  /// Classification: "none"; "balanced": each class has the same weight; forests with bootstrap
  /// also "balanced_subsample": each class has the same weight in the rows of each tree.
  std::string class_weight = "none";
};

/// `options` with what they leave to the estimator. Throws core::InvalidArgument, naming
/// `estimator`, the parameter and its value.
TreeOptions checked_options(TreeOptions options, std::string_view estimator, data::Task task,
                            bool forest);

class DecisionTreeRegressor final : public Estimator {
 public:
  static constexpr std::string_view kName = "decision_tree";
  using Options = TreeOptions;

  explicit DecisionTreeRegressor(Options options = {});

  using Estimator::fit;
  void fit(const TrainingSet& training, const FitContext& context) override;

  const Options& options() const noexcept { return options_; }
  const TreeNodes& nodes() const noexcept { return nodes_; }
  /// n_features values that sum to 1 (or are all 0): the share of each in the fall of the error.
  const std::vector<double>& feature_importances() const noexcept override { return importances_; }

  std::string_view name() const noexcept override { return kName; }
  ParameterMap parameters() const override;
  std::unique_ptr<Estimator> clone() const override;
  bool fitted() const noexcept override { return nodes_.trees() != 0; }
  std::size_t n_features() const noexcept override { return nodes_.n_features(); }
  void save(SectionWriter& writer) const override;
  void load(const SectionReader& reader) override;

 private:
  void predict_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                    std::span<double> out, exec::CoreBudget& budget) const override;

  Options options_;
  TreeNodes nodes_;
  std::vector<double> importances_;
};

class DecisionTreeClassifier final : public Classifier {
 public:
  static constexpr std::string_view kName = "decision_tree";
  using Options = TreeOptions;

  explicit DecisionTreeClassifier(Options options = {});

  using Estimator::fit;
  void fit(const TrainingSet& training, const FitContext& context) override;

  const Options& options() const noexcept { return options_; }
  const TreeNodes& nodes() const noexcept { return nodes_; }
  /// n_features values that sum to 1 (or are all 0): the share of each in the fall of the impurity.
  const std::vector<double>& feature_importances() const noexcept override { return importances_; }

  std::string_view name() const noexcept override { return kName; }
  ParameterMap parameters() const override;
  std::unique_ptr<Estimator> clone() const override;
  std::size_t n_classes() const noexcept override { return nodes_.n_classes(); }
  bool fitted() const noexcept override { return nodes_.trees() != 0; }
  std::size_t n_features() const noexcept override { return nodes_.n_features(); }
  void save(SectionWriter& writer) const override;
  void load(const SectionReader& reader) override;

 private:
  void predict_proba_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                          std::span<double> out, exec::CoreBudget& budget) const override;

  Options options_;
  TreeNodes nodes_;
  std::vector<double> importances_;
};

}  // namespace mutirao::models
