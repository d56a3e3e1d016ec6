#pragma once

// Forests of trees, each grown on rows drawn with replacement.
//
// Purpose: scikit-learn's RandomForestRegressor and RandomForestClassifier, sooner. Guarantees:
// tree i depends on the data, the parameters, the seed and i alone, so a forest is the same for any
// number of threads; a prediction is the mean of the trees' (of their probabilities, for classes),
// summed in their order. With warm_start a second fit keeps the trees that there are and adds what
// n_estimators asks for; the forest is then, byte for byte, the one that a single fit of as many
// trees gives, if training set and seed are those of the first fit. Thread safety and failure:
// models/estimator.hpp.
//
//   RandomForestClassifier forest({.n_estimators = 100, .oob_score = true});
//   forest.fit(x, y);

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "mutirao/models/decision_tree.hpp"
#include "mutirao/models/estimator.hpp"
#include "mutirao/models/tree_nodes.hpp"

namespace mutirao::models {

/// Names and defaults are scikit-learn's.
struct RandomForestOptions {
  std::int64_t n_estimators = 100;
  /// Whether each tree sees rows drawn with replacement, or all rows.
  bool bootstrap = true;
  /// Rows drawn for each tree; absent: as many as there are. Needs bootstrap.
  std::optional<CountOrFraction> max_samples;
  /// Whether each row is predicted by the trees that did not see it. Needs bootstrap.
  bool oob_score = false;
  /// Whether a further fit keeps the trees that there are.
  bool warm_start = false;
  /// What limits each tree.
  TreeOptions tree;
};

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

class RandomForestRegressor final : public Estimator {
 public:
  static constexpr std::string_view kName = "random_forest";
  using Options = RandomForestOptions;

  explicit RandomForestRegressor(Options options = {});

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

class RandomForestClassifier final : public Classifier {
 public:
  static constexpr std::string_view kName = "random_forest";
  using Options = RandomForestOptions;

  explicit RandomForestClassifier(Options options = {});

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
