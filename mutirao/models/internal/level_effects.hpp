#pragma once

// Learns how a fit orders the levels of its categories; see models/level_orders.hpp.

#include <cstddef>

#include "mutirao/exec/core_budget.hpp"
#include "mutirao/models/estimator.hpp"
#include "mutirao/models/internal/tree_options.hpp"
#include "mutirao/models/level_orders.hpp"

namespace mutirao::models::internal {

/// Empty without training.categories. Throws core::InvalidArgument for columns that do not exist or
/// do not increase, core::InvalidInput for values there that are no codes. n_classes 0: regression.
LevelOrders learn_level_orders(const TrainingSet& training, const WeightedRows& rows,
                               std::size_t n_classes, exec::CoreBudget& budget,
                               std::size_t max_cores);

}  // namespace mutirao::models::internal
