#pragma once

// The weighted mean of other estimators.
//
// Purpose: what an ensemble predicts: the weighted mean of its members' numbers, or, for classes,
// of their probabilities; a model file keeps it with all members, and it predicts alone. Requires:
// members of one task that are no blends themselves; a fitted blend: fitted members of the same
// classes. Each member sees all columns of x or a range of them, so that members that want their
// columns encoded otherwise (data::FeatureEncoder::side_by_side) can be blended. Guarantees: the
// same bytes whatever the number of threads. fit() fits each member anew on its columns of the same
// rows; the weights stay as they are (select_ensemble() learns some). Thread safety and failure:
// models/estimator.hpp; core::InvalidArgument for members that cannot be blended.
//
//   Blend blend({{.estimator = forest, .weight = 0.7}, {.estimator = ridge, .weight = 0.3}});
//   std::vector<double> predictions = blend.predict(x);

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "mutirao/models/estimator.hpp"

namespace mutirao::models {

struct BlendMember {
  /// What parameters() calls it; empty: the estimator's name, with a number if it is not the first.
  std::string label = {};
  std::shared_ptr<const Estimator> estimator;
  /// Above 0; a blend scales all of them to the sum 1.
  double weight = 1.0;
  /// Its columns of x: n_columns from first_column on; n_columns 0: all of them.
  std::size_t first_column = 0;
  std::size_t n_columns = 0;
};

class Blend final : public Estimator {
 public:
  static constexpr std::string_view kName = "ensemble";

  explicit Blend(std::vector<BlendMember> members);
  /// Without members, to be loaded.
  explicit Blend(data::Task task) : task_(task) {}

  using Estimator::fit;
  void fit(const TrainingSet& training, const FitContext& context) override;

  const std::vector<BlendMember>& members() const noexcept { return members_; }

  std::string_view name() const noexcept override { return kName; }
  /// The weight of each member, by its label.
  ParameterMap parameters() const override;
  std::unique_ptr<Estimator> clone() const override;
  data::Task task() const noexcept override { return task_; }
  std::size_t n_classes() const noexcept override;
  bool fitted() const noexcept override { return n_features_ != 0; }
  std::size_t n_features() const noexcept override { return n_features_; }
  void save(SectionWriter& writer) const override;
  void load(const SectionReader& reader) override;

 private:
  void predict_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                    std::span<double> out, exec::CoreBudget& budget) const override;
  void predict_proba_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                          std::span<double> out, exec::CoreBudget& budget) const override;

  data::Task task_;
  std::vector<BlendMember> members_;
  std::size_t n_features_ = 0;  // 0: not fitted
};

}  // namespace mutirao::models
