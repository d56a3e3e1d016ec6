#pragma once

// What the fits of penalised linear regressors begin with.

#include <memory>
#include <numeric>
#include <vector>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/centred_products.hpp"
#include "mutirao/models/internal/column_blocks.hpp"

namespace mutirao::models::internal {

inline void throw_if_stopped(const FitContext& context) {
  if (context.stop.stop_requested())
    throw core::Error(core::ErrorCode::kCancelled, "the fit was stopped");
}

inline exec::CoreBudget& budget_of(const FitContext& context) {
  return context.budget != nullptr ? *context.budget : exec::CoreBudget::current();
}

inline std::vector<std::size_t> all_columns(const TrainingSet& training) {
  std::vector<std::size_t> all(training.x.cols);
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

/// All columns, and their centred products, which are finite.
struct LinearProblem {
  ColumnBlocks blocks;
  Centred centred;

  LinearProblem(const TrainingSet& training, bool fit_intercept, const FitContext& context)
      : blocks(training, all_columns(training), budget_of(context), context.max_cores) {
    if (fit_intercept) blocks.guess_shifts();
    centred = centre(blocks, fit_intercept);
    if (!centred.products.allFinite())
      throw_too_large(training, blocks.budget(), context.max_cores);
  }
};

}  // namespace mutirao::models::internal
