#pragma once

// Forests of trees: what RandomForest and ExtraTrees have in common, which is all but how a split
// is chosen and which rows a tree sees unless told otherwise.
//
// Purpose: the classes behind the names in random_forest.hpp and extra_trees.hpp. Guarantees: tree
// i depends on the data, the parameters, the seed and i alone, so a forest is the same for any
// number of threads; a prediction is the mean of the trees' (of their probabilities, for classes),
// summed in their order. With warm_start a second fit keeps the trees that there are and adds what
// n_estimators asks for; the forest is then, byte for byte, the one that a single fit of as many
// trees gives, if training set and seed are those of the first fit. Thread safety and failure:
// models/estimator.hpp.

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "mutirao/models/estimator.hpp"
#include "mutirao/models/tree_nodes.hpp"

namespace mutirao::models {

/// What a fit of a forest learned.
struct Forest {
  TreeNodes nodes;
  /// Sums over the trees of the importances of each, and these scaled to sum 1.
  std::vector<double> importance_sums;
  std::vector<double> importances;
  std::uint64_t seed = 0;
  double oob_score = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> oob_prediction;
};

/// Base: Estimator or Classifier. ForestOptions: RandomForestOptions or ExtraTreesOptions.
template <class Base, class ForestOptions>
class ForestEstimator : public Base {
 public:
  static constexpr std::string_view kName = ForestOptions::kName;
  using Options = ForestOptions;

  explicit ForestEstimator(Options options);

  using Base::fit;
  void fit(const TrainingSet& training, const FitContext& context) override;

  const Options& options() const noexcept { return options_; }
  /// For a further fit with warm_start.
  void set_n_estimators(std::int64_t n_estimators);
  const TreeNodes& nodes() const noexcept { return forest_.nodes; }
  /// The mean of the trees' importances, scaled to sum 1.
  const std::vector<double>& feature_importances() const noexcept override {
    return forest_.importances;
  }
  /// r2, or accuracy, of the out-of-bag predictions; NaN unless options().oob_score. Not kept in
  /// model files.
  double oob_score() const noexcept { return forest_.oob_score; }

  std::string_view name() const noexcept override { return kName; }
  ParameterMap parameters() const override;
  bool fitted() const noexcept override { return nodes().trees() != 0; }
  std::size_t n_features() const noexcept override { return nodes().n_features(); }
  void save(SectionWriter& writer) const override;
  void load(const SectionReader& reader) override;

 protected:
  const Forest& forest() const noexcept { return forest_; }

 private:
  Options options_;
  Forest forest_;
};

template <class Options>
class ForestRegressor final : public ForestEstimator<Estimator, Options> {
 public:
  explicit ForestRegressor(Options options = {})
      : ForestEstimator<Estimator, Options>(std::move(options)) {}

  /// One per training row; NaN for a row that every tree saw. Empty unless options().oob_score.
  const std::vector<double>& oob_prediction() const noexcept {
    return this->forest().oob_prediction;
  }
  std::unique_ptr<Estimator> clone() const override {
    return std::make_unique<ForestRegressor>(this->options());
  }

 private:
  void predict_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                    std::span<double> out, exec::CoreBudget& budget) const override {
    this->nodes().predict_mean(x, rows, out, budget);
  }
};

template <class Options>
class ForestClassifier final : public ForestEstimator<Classifier, Options> {
 public:
  explicit ForestClassifier(Options options = {})
      : ForestEstimator<Classifier, Options>(std::move(options)) {}

  /// Probabilities by the trees that did not see the row: training rows x n_classes(); NaN for a
  /// row that every tree saw. Empty unless options().oob_score.
  const std::vector<double>& oob_decision_function() const noexcept {
    return this->forest().oob_prediction;
  }
  std::unique_ptr<Estimator> clone() const override {
    return std::make_unique<ForestClassifier>(this->options());
  }
  std::size_t n_classes() const noexcept override { return this->nodes().n_classes(); }

 private:
  void predict_proba_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                          std::span<double> out, exec::CoreBudget& budget) const override {
    this->nodes().predict_distributions(x, rows, out, budget);
  }
};

}  // namespace mutirao::models
