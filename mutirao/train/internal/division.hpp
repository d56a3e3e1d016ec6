#pragma once

// Which fold tests which row.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mutirao/data/table.hpp"
#include "mutirao/train/config.hpp"
#include "mutirao/train/internal/prepared_data.hpp"

namespace mutirao::train::internal {

/// What some rows are divided by, in the order of the rows. Times go before groups, and these
/// before classes; what is empty does not count.
struct DivisionKeys {
  std::vector<double> times;
  std::vector<std::uint32_t> groups;
  std::vector<std::uint32_t> classes;
};

/// The number of the fold that tests each of `rows` rows; with a test size of one split.
std::vector<std::uint32_t> fold_numbers_of(std::size_t rows, const DivisionKeys& keys,
                                           std::size_t folds, std::optional<double> test_size,
                                           std::uint64_t seed);

/// Sets fold_numbers and learns, from the rows' classes, groups or times; warns of classes that
/// have too few rows to be learned and tested. Throws core::InvalidInput when there are too few
/// rows.
void divide(const TrainConfig& config, PreparedData& prepared);

/// The group of each of the rows, from 0, in the order in which groups appear.
std::vector<std::uint32_t> groups_of(const data::Column& column,
                                     std::span<const std::uint32_t> rows);

}  // namespace mutirao::train::internal
