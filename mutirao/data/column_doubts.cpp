#include "mutirao/data/column_doubts.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mutirao/data/cell_text.hpp"

namespace mutirao::data {
namespace {

constexpr double kLargestExactInteger = 9007199254740992.0;  // 2^53
constexpr double kLargestInteger = 1e20;                     // beyond that nobody counts
constexpr double kLargestSquare = 1e150;

/// Whether at least half of the cells that are present are dates.
bool is_mostly_dates(const Column& column) {
  std::vector<std::size_t> count(column.levels.size());
  for (const std::uint32_t code : column.codes.span()) {
    if (code != kMissingCode) ++count[code];
  }
  std::size_t present = 0;
  std::size_t dates = 0;
  for (std::size_t level = 0; level < count.size(); ++level) {
    present += count[level];
    if (count[level] > 0 && timestamp_in(column.levels[level])) dates += count[level];
  }
  return dates > 0 && 2 * dates >= present;
}

}  // namespace

std::optional<std::size_t> first_odd_text(const Column& column) {
  if (column.type != ColumnType::kText) return std::nullopt;
  const bool dates = is_mostly_dates(column);
  std::vector<bool> odd(column.levels.size());
  for (std::size_t level = 0; level < odd.size(); ++level) {
    odd[level] = dates ? !timestamp_in(column.levels[level]) : !number_in(column.levels[level]);
  }
  for (std::size_t row = 0; row < column.rows(); ++row) {
    if (!column.is_missing(row) && odd[column.codes[row]]) return row;
  }
  return std::nullopt;
}

std::vector<std::string> doubts_about(const Column& column,
                                      const std::function<std::string(std::size_t)>& position_of) {
  std::vector<std::string> doubts;
  if (column.type == ColumnType::kText) {
    if (!is_mostly_dates(column)) return doubts;
    if (const std::optional<std::size_t> row = first_odd_text(column)) {
      doubts.push_back(fmt::format(
          "column '{}' is read as text: most of it are dates, but {} holds '{}' (dates are written "
          "2024-03-01 or 2024-03-01T12:30)",
          column.name, position_of(*row), column.levels[column.codes[*row]]));
    }
    return doubts;
  }
  if (column.type != ColumnType::kNumber) return doubts;
  double largest = 0.0;
  bool whole = true;
  for (const double value : column.numbers.span()) {
    if (std::isnan(value)) continue;
    largest = std::max(largest, std::abs(value));
    whole = whole && std::trunc(value) == value;
  }
  if (whole && largest > kLargestExactInteger && largest < kLargestInteger) {
    doubts.push_back(fmt::format(
        "column '{}' holds integers beyond 2^53: they are rounded to the nearest number that a "
        "double holds, and some may become equal",
        column.name));
  }
  if (largest > kLargestSquare) {
    doubts.push_back(fmt::format(
        "column '{}' holds values as large as {:.0e}: their squares overflow, so scores and models "
        "may not be defined",
        column.name, largest));
  }
  return doubts;
}

}  // namespace mutirao::data
