#pragma once

// Predictions from the nearest training rows.
//
// Purpose: scikit-learn's KNeighborsRegressor and KNeighborsClassifier with the Minkowski metric,
// p = 1 or 2, on the columns as they are given; nothing is standardised here. Guarantees:
// models/estimator.hpp; of rows that are equally far the earlier one is nearer, so that neighbours
// are determined. Sample weights, which scikit-learn lacks here, multiply what a neighbour counts.
// Algorithm: a k-d tree for few columns and many rows, else all distances, in single precision
// first where p is 2; all give the same neighbours. The model keeps the training rows, and its
// file, too. Thread safety: models/estimator.hpp. Failure: the same, and core::InvalidInput for a
// value that is missing or above 1e150, in fit and in predict; core::InvalidArgument for more
// neighbours than rows.
//
//   KNeighborsRegressor model({.n_neighbors = 10, .weights = "distance"});
//   model.fit(x, y);

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mutirao/models/estimator.hpp"

namespace mutirao::models {

namespace internal {
class NeighbourRows;
}

struct KNeighborsOptions {
  /// How many rows a prediction is made of. At least 1.
  std::int64_t n_neighbors = 5;
  /// "uniform", or "distance": a neighbour counts the inverse of its distance; those at distance 0,
  /// if there are any, alone.
  std::string weights = "uniform";
  /// Distances are sums of absolute differences (1) or roots of sums of squares (2).
  std::int64_t p = 2;
};

class KNeighborsRegressor final : public Estimator {
 public:
  static constexpr std::string_view kName = "k_neighbors";
  using Options = KNeighborsOptions;

  explicit KNeighborsRegressor(Options options = {});

  using Estimator::fit;
  void fit(const TrainingSet& training, const FitContext& context) override;

  const Options& options() const noexcept { return options_; }
  std::string_view name() const noexcept override { return kName; }
  ParameterMap parameters() const override;
  std::unique_ptr<Estimator> clone() const override;
  bool fitted() const noexcept override { return rows_ != nullptr; }
  std::size_t n_features() const noexcept override;
  void save(SectionWriter& writer) const override;
  void load(const SectionReader& reader) override;

 private:
  void predict_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                    std::span<double> out, exec::CoreBudget& budget) const override;

  Options options_;
  std::shared_ptr<const internal::NeighbourRows> rows_;
};

class KNeighborsClassifier final : public Classifier {
 public:
  static constexpr std::string_view kName = "k_neighbors";
  using Options = KNeighborsOptions;

  explicit KNeighborsClassifier(Options options = {});

  using Estimator::fit;
  void fit(const TrainingSet& training, const FitContext& context) override;

  const Options& options() const noexcept { return options_; }
  std::string_view name() const noexcept override { return kName; }
  ParameterMap parameters() const override;
  std::unique_ptr<Estimator> clone() const override;
  std::size_t n_classes() const noexcept override { return n_classes_; }
  bool fitted() const noexcept override { return rows_ != nullptr; }
  std::size_t n_features() const noexcept override;
  void save(SectionWriter& writer) const override;
  void load(const SectionReader& reader) override;

 private:
  void predict_proba_rows(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                          std::span<double> out, exec::CoreBudget& budget) const override;

  Options options_;
  std::shared_ptr<const internal::NeighbourRows> rows_;
  std::size_t n_classes_ = 0;
};

}  // namespace mutirao::models
