#pragma once

// Which fold tests which row.

#include "mutirao/train/config.hpp"
#include "mutirao/train/internal/prepared_data.hpp"

namespace mutirao::train::internal {

/// Sets fold_numbers and learns, from the rows' classes, groups or times; warns of classes that
/// have too few rows to be learned and tested. Throws core::InvalidInput when there are too few
/// rows.
void divide(const TrainConfig& config, PreparedData& prepared);

}  // namespace mutirao::train::internal
