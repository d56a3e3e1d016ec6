#include "mutirao/train/internal/out_of_fold.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace mutirao::train::internal {
namespace {

std::vector<std::uint32_t> tested_rows(const PreparedData& data) {
  std::vector<std::uint32_t> rows;
  for (std::size_t row = 0; row < data.rows(); ++row) {
    if (data.fold_numbers[row] != data::kNeverTested)
      rows.push_back(static_cast<std::uint32_t>(row));
  }
  return rows;
}

/// At most kMostRocPoints of the curve, its ends among them.
models::RocCurve thinned(models::RocCurve curve) {
  const std::size_t points = curve.true_positive_rate.size();
  if (points <= kMostRocPoints) return curve;
  models::RocCurve thin;
  for (std::size_t i = 0; i < kMostRocPoints; ++i) {
    const std::size_t point = i * (points - 1) / (kMostRocPoints - 1);
    thin.true_positive_rate.push_back(curve.true_positive_rate[point]);
    thin.false_positive_rate.push_back(curve.false_positive_rate[point]);
  }
  return thin;
}

}  // namespace

OutOfFold::OutOfFold(const PreparedData& data)
    : predictions_(data.rows(), std::numeric_limits<double>::quiet_NaN()),
      probabilities_(data.rows() * data.classes.size(), std::numeric_limits<double>::quiet_NaN()) {}

void OutOfFold::take(const PreparedData& data, std::uint32_t fold, const FitResult& result) {
  const std::size_t classes = data.classes.size();
  std::size_t next = 0;
  for (std::size_t row = 0; row < data.rows(); ++row) {
    if (data.fold_numbers[row] != fold) continue;
    for (std::size_t c = 0; c < classes; ++c)
      probabilities_[row * classes + c] = result.probabilities[next * classes + c];
    predictions_[row] = result.predictions[next++];
  }
}

CandidateDetails details_of(const PreparedData& data, const OutOfFold& found) {
  if (data.task == data::Task::kRegression) return {};
  const std::size_t classes = data.classes.size();
  std::vector<double> truth, predictions, weights, probabilities;
  for (const std::uint32_t row : tested_rows(data)) {
    truth.push_back(data.y[row]);
    predictions.push_back(found.predictions()[row]);
    if (!data.weights.empty()) weights.push_back(data.weights[row]);
    for (std::size_t c = 0; c < classes; ++c)
      probabilities.push_back(found.probabilities()[row * classes + c]);
  }
  const models::ScoredRows rows{.y_true = truth,
                                .y_pred = predictions,
                                .sample_weight = weights,
                                .probabilities = probabilities,
                                .n_classes = classes,
                                .positive = data.positive};
  CandidateDetails details{.confusion = models::confusion_matrix(rows), .roc = {}};
  if (classes == 2) details.roc = thinned(models::roc_curve(rows, data.positive));
  return details;
}

data::Table out_of_fold_table(const PreparedData& data, const std::string& target,
                              const std::optional<std::string>& id,
                              const std::map<std::string, OutOfFold>& models) {
  const std::vector<std::uint32_t> rows = tested_rows(data);
  const auto values = [&](auto value_of) {
    std::vector<double> taken;
    taken.reserve(rows.size());
    for (const std::uint32_t row : rows) taken.push_back(value_of(row));
    return taken;
  };
  const auto predicted = [&](const std::string& name, const std::vector<double>& of_rows) {
    const std::vector<double> taken = values([&](std::uint32_t row) { return of_rows[row]; });
    return data.classes.empty() ? data::number_column(name, taken)
                                : data::label_column(name, data.classes, taken);
  };
  const auto renamed = [&](const std::string& column, std::string name) {
    data::Table one;
    one.add(data.table.at(column));
    data::Column taken = one.take(rows).columns().front();
    taken.name = std::move(name);
    return taken;
  };
  data::Table table;
  table.add(data::number_column("row", values([&](std::uint32_t row) {
                                  return 1.0 +
                                         (data.source_rows.empty() ? row : data.source_rows[row]);
                                })));
  table.add(data::number_column(
      "fold", values([&](std::uint32_t row) { return 1.0 + data.fold_numbers[row]; })));
  if (id) table.add(renamed(*id, "id"));
  table.add(renamed(target, "target"));
  const std::size_t classes = data.classes.size();
  for (const auto& [name, found] : models) {
    table.add(predicted(name, found.predictions()));
    for (std::size_t c = 0; c < classes; ++c) {
      table.add(data::number_column(
          fmt::format("{}_probability_{}", name, data.classes.names[c]),
          values([&](std::uint32_t row) { return found.probabilities()[row * classes + c]; })));
    }
  }
  return table;
}

}  // namespace mutirao::train::internal
