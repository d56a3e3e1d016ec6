#include "mutirao/data/column_doubts.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include "mutirao/data/cell_text.hpp"

namespace mutirao::data {
namespace {

constexpr double kLargestExactInteger = 9007199254740992.0;  // 2^53
constexpr double kLargestInteger = 1e20;                     // beyond that nobody counts
constexpr double kLargestSquare = 1e150;

/// Whether at least half of the cells that are present hold text of which `holds` is true.
template <typename Predicate>
bool is_mostly(const Column& column, Predicate holds) {
  std::vector<std::size_t> count(column.levels.size());
  for (const std::uint32_t code : column.codes.span()) {
    if (code != kMissingCode) ++count[code];
  }
  std::size_t present = 0;
  std::size_t held = 0;
  for (std::size_t level = 0; level < count.size(); ++level) {
    present += count[level];
    if (count[level] > 0 && holds(column.levels[level])) held += count[level];
  }
  return held > 0 && 2 * held >= present;
}

bool is_date(const std::string& text) { return timestamp_in(text).has_value(); }

bool is_number(const std::string& text) { return number_in(text).has_value(); }

/// What a text column seems to hold that is not read as such, and how that would have to be
/// written.
std::optional<std::string> text_doubt(const Column& column,
                                      const std::function<std::string(std::size_t)>& position_of) {
  constexpr std::string_view kDates = "dates are written 2024-03-01 or 2024-03-01T12:30";
  constexpr std::string_view kNumbers =
      "numbers are written 1234.5; a missing one is an empty cell, NA or null";
  struct Kind {
    bool (*is)(const std::string&);
    std::string_view holds;
    std::string_view written;
  };
  constexpr std::array kinds{
      Kind{is_date, "most of it are dates", kDates},
      Kind{is_number, "most of it are numbers", kNumbers},
      Kind{[](const std::string& text) { return is_date_of_other_form(text); },
           "it seems to hold dates", kDates},
      Kind{[](const std::string& text) { return is_number_of_other_form(text); },
           "it seems to hold numbers", kNumbers},
  };
  for (const Kind& kind : kinds) {
    if (!is_mostly(column, kind.is)) continue;
    const std::optional<std::size_t> row = first_odd_text(column);
    if (!row) return std::nullopt;
    return fmt::format("column '{}' is read as text: {}, but {} holds '{}' ({})", column.name,
                       kind.holds, position_of(*row), column.levels[column.codes[*row]],
                       kind.written);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::size_t> first_odd_text(const Column& column) {
  if (column.type != ColumnType::kText) return std::nullopt;
  const bool dates = is_mostly(column, is_date);
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
    if (std::optional<std::string> doubt = text_doubt(column, position_of))
      doubts.push_back(std::move(*doubt));
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
