#pragma once

// A forest of regression trees, each grown on rows drawn with replacement.
//
// Purpose: scikit-learn's RandomForestRegressor, sooner. Guarantees: tree i depends on the data,
// the parameters, the seed and i alone, so a forest is the same for any number of threads; a
// prediction is the mean of the trees', summed in their order. Thread safety and failure:
// models/estimator.hpp.
//
//   RandomForestRegressor forest({.n_estimators = 100});
//   forest.fit(x, y);

#include <cstdint>
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
  /// What limits each tree.
  TreeOptions tree;
};

class RandomForestRegressor final : public Estimator {
 public:
  static constexpr std::string_view kName = "random_forest";
  using Options = RandomForestOptions;

  explicit RandomForestRegressor(Options options = {});

  using Estimator::fit;
  void fit(const TrainingSet& training, const FitContext& context) override;

  const Options& options() const noexcept { return options_; }
  const TreeNodes& nodes() const noexcept { return nodes_; }
  /// The mean of the trees' importances, scaled to sum 1.
  const std::vector<double>& feature_importances() const noexcept { return importances_; }
  /// r2 of the out-of-bag predictions; NaN unless options().oob_score. Not kept in model files.
  double oob_score() const noexcept { return oob_score_; }
  /// One per training row; NaN for a row that every tree saw. Empty unless options().oob_score.
  const std::vector<double>& oob_prediction() const noexcept { return oob_prediction_; }

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
  double oob_score_;
  std::vector<double> oob_prediction_;
};

}  // namespace mutirao::models
