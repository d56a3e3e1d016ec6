#pragma once

// Which fold tests which row.

#include <cstdint>
#include <span>
#include <vector>

#include "mutirao/data/table.hpp"
#include "mutirao/train/config.hpp"
#include "mutirao/train/internal/prepared_data.hpp"

namespace mutirao::train::internal {

/// Sets fold_numbers and learns, from the rows' classes, groups or times; warns of classes that
/// have too few rows to be learned and tested. Throws core::InvalidInput when there are too few
/// rows.
void divide(const TrainConfig& config, PreparedData& prepared);

/// The group of each of the rows, from 0, in the order in which groups appear.
std::vector<std::uint32_t> groups_of(const data::Column& column,
                                     std::span<const std::uint32_t> rows);

}  // namespace mutirao::train::internal
