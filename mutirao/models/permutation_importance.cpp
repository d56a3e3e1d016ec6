#include "mutirao/models/permutation_importance.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/random.hpp"

namespace mutirao::models {

PermutationImportance permutation_importance(const Estimator& estimator, data::MatrixView x,
                                             std::span<const double> y,
                                             const PredictionMetric& metric,
                                             const PermutationOptions& options) {
  if (y.size() != x.rows) {
    throw core::InvalidArgument(fmt::format("x has {} rows and y has {}", x.rows, y.size()));
  }
  if (options.n_repeats == 0)
    throw core::InvalidArgument("columns are shuffled 0 times", "n_repeats is at least 1");
  exec::CoreBudget& budget =
      options.budget != nullptr ? *options.budget : exec::CoreBudget::current();
  PermutationImportance result;
  result.score = metric(y, estimator.predict(x, &budget));
  result.importances.resize(x.cols * options.n_repeats);
  // Per core all of x, in which one column at a time is another order of itself.
  std::vector<std::vector<double>> copies(std::max<std::size_t>(1, budget.cores()));
  budget.for_each(
      x.cols,
      [&](std::size_t j, std::size_t lane) {
        std::vector<double>& copy = copies[lane];
        if (copy.empty()) {
          copy.reserve(x.rows * x.cols);
          for (std::size_t k = 0; k < x.cols; ++k)
            copy.insert(copy.end(), x.column(k).begin(), x.column(k).end());
        }
        const auto column = copy.begin() + static_cast<std::ptrdiff_t>(j * x.rows);
        for (std::size_t repeat = 0; repeat < options.n_repeats; ++repeat) {
          core::RandomStream stream({options.seed, j, repeat});
          for (std::size_t i = x.rows; i > 1; --i) {
            std::swap(column[static_cast<std::ptrdiff_t>(i - 1)],
                      column[static_cast<std::ptrdiff_t>(stream.below(i))]);
          }
          const data::MatrixView shuffled{
              .data = copy.data(), .rows = x.rows, .cols = x.cols, .column_stride = x.rows};
          result.importances[j * options.n_repeats + repeat] =
              result.score - metric(y, estimator.predict(shuffled, &budget));
          std::copy(x.column(j).begin(), x.column(j).end(), column);
        }
      },
      options.max_cores);
  const auto repeats = static_cast<double>(options.n_repeats);
  for (std::size_t j = 0; j < x.cols; ++j) {
    const std::span<const double> of_column =
        std::span(result.importances).subspan(j * options.n_repeats, options.n_repeats);
    double mean = 0.0;
    for (const double importance : of_column) mean += importance / repeats;
    double variance = 0.0;
    for (const double importance : of_column)
      variance += (importance - mean) * (importance - mean) / repeats;
    result.mean.push_back(mean);
    result.standard_deviation.push_back(std::sqrt(variance));
  }
  return result;
}

}  // namespace mutirao::models
