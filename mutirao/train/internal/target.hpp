#pragma once

// What is to be learned, from which rows: the task, the target, its classes, the weights.

#include "mutirao/data/table.hpp"
#include "mutirao/train/config.hpp"
#include "mutirao/train/internal/prepared_data.hpp"

namespace mutirao::train::internal {

/// Sets task, and says what it rests on if nobody named it. Throws when the configuration or the
/// target does not go with it.
void decide_task(const TrainConfig& config, const data::Table& table, PreparedData& prepared);

/// Sets table, source_rows, rows_dropped and weights: the rows that have a target and a weight
/// above zero. Throws core::InvalidInput, with the row, for weights, groups and times that cannot
/// be used.
void keep_usable_rows(const TrainConfig& config, const data::Table& table, PreparedData& prepared);

/// Sets y, classes and positive. Throws core::InvalidInput when there is nothing to learn.
void take_target(const TrainConfig& config, PreparedData& prepared);

}  // namespace mutirao::train::internal
