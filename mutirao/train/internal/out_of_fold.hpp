#pragma once

// Predictions for rows that a model had not seen, gathered over the folds.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mutirao/data/table.hpp"
#include "mutirao/train/internal/fit_tasks.hpp"
#include "mutirao/train/internal/prepared_data.hpp"
#include "mutirao/train/result.hpp"

namespace mutirao::train::internal {

/// Of one model; NaN for rows that are never tested.
class OutOfFold {
 public:
  explicit OutOfFold(const PreparedData& data);
  OutOfFold(std::span<const double> predictions, std::span<const double> probabilities)
      : predictions_(predictions.begin(), predictions.end()),
        probabilities_(probabilities.begin(), probabilities.end()) {}
  /// What the fold found for the rows that it tests.
  void take(const PreparedData& data, std::uint32_t fold, const FitResult& result);

  /// One per row; of classes their indices.
  const std::vector<double>& predictions() const noexcept { return predictions_; }
  /// Of classes: rows x n_classes, row-major.
  const std::vector<double>& probabilities() const noexcept { return probabilities_; }

 private:
  std::vector<double> predictions_;
  std::vector<double> probabilities_;
};

/// The confusion matrix and the curve of all tested rows; nothing for regression.
CandidateDetails details_of(const PreparedData& data, const OutOfFold& found);

/// oof.parquet: row (of the data, from 1), fold (from 1), id if there is one, target, then for each
/// model a column of predictions named like it, and for classes one column
/// <model>_probability_<label> per class; the rows that were tested.
data::Table out_of_fold_table(const PreparedData& data, const std::string& target,
                              const std::optional<std::string>& id,
                              const std::map<std::string, OutOfFold>& models);

}  // namespace mutirao::train::internal
