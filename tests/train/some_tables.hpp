#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "mutirao/core/random.hpp"
#include "mutirao/data/feature_encoder.hpp"
#include "mutirao/data/splits.hpp"
#include "mutirao/data/table.hpp"
#include "mutirao/models/metrics.hpp"
#include "mutirao/models/registry.hpp"

namespace mutirao::train {

/// A CSV of a numeric target y that depends on a number x with gaps, a category c, a date d and a
/// boolean b; `change` may replace a row's cells.
inline std::string some_csv(
    std::size_t rows, std::uint64_t seed = 1,
    const std::function<void(std::size_t, std::vector<std::string>&)>& change = {}) {
  core::RandomStream random({seed});
  std::string csv = "x,c,d,b,z,y\n";
  for (std::size_t row = 0; row < rows; ++row) {
    const double x = random.uniform();
    const double z = random.uniform();
    const auto level = random.below(4);
    const auto day = 1 + random.below(28);
    const bool b = random.below(2) == 1;
    const double y = 3.0 * x + std::sin(9.0 * z) + static_cast<double>(level * level) +
                     (b ? 0.5 : 0.0) + 0.05 * static_cast<double>(day) + 0.2 * random.uniform();
    std::vector<std::string> cells = {random.below(10) == 0 ? "" : fmt::format("{}", x),
                                      std::string(1, static_cast<char>('p' + level)),
                                      fmt::format("2024-03-{:02}", day),
                                      b ? "true" : "false",
                                      fmt::format("{}", z),
                                      fmt::format("{}", y)};
    if (change) change(row, cells);
    csv += fmt::format("{}\n", fmt::join(cells, ","));
  }
  return csv;
}

inline std::vector<std::uint32_t> all_rows(const data::Table& table) {
  std::vector<std::uint32_t> rows(table.rows());
  std::iota(rows.begin(), rows.end(), 0U);
  return rows;
}

struct Reference {
  std::vector<double> fold_scores;
  std::vector<double> predictions;  // one per row of the table; NaN where it is never tested
};

/// What a run is to find, with nothing shared between folds. `rows_of` gives the rows that the
/// encoder of a fold learns from.
inline Reference reference(
    const data::Table& table, const data::FeatureSelection& selection, const std::string& target,
    const std::string& model, const models::ParameterMap& parameters,
    const std::vector<data::Split>& splits, std::uint64_t seed, const std::string& metric = "r2",
    const std::function<std::vector<std::uint32_t>(const data::Split&)>& rows_of =
        [](const data::Split& split) { return split.train; }) {
  Reference result;
  result.predictions.assign(table.rows(), std::nan(""));
  const std::span<const double> y = table.at(target).numbers.span();
  const auto values_of = [&](const std::vector<std::uint32_t>& rows) {
    std::vector<double> values;
    for (const std::uint32_t row : rows) values.push_back(y[row]);
    return values;
  };
  for (const data::Split& split : splits) {
    const auto encoder = data::FeatureEncoder::fit(table, selection, rows_of(split),
                                                   models::find_estimator(model).encoding);
    const data::Matrix x = encoder.transform(table, split.train);
    const std::vector<double> y_train = values_of(split.train);
    const auto estimator = models::make_estimator(model, parameters);
    models::TrainingSet training;
    training.x = x;
    training.y = y_train;
    training.one_hot_blocks = encoder.one_hot_blocks();
    training.categories = encoder.category_columns();
    models::FitContext context;
    context.seed = seed;
    estimator->fit(training, context);
    const std::vector<double> predicted = estimator->predict(encoder.transform(table, split.test));
    const std::vector<double> truth = values_of(split.test);
    result.fold_scores.push_back(
        models::find_metric(metric).compute({.y_true = truth, .y_pred = predicted}));
    for (std::size_t i = 0; i < split.test.size(); ++i)
      result.predictions[split.test[i]] = predicted[i];
  }
  return result;
}

}  // namespace mutirao::train
