#pragma once

#include <array>
#include <string>
#include <string_view>

#include "mutirao/data/table.hpp"

namespace mutirao::data {

/// What stands for a missing cell when it is not quoted.
inline constexpr std::array<std::string_view, 7> kMissingTexts = {"",     "NA",   "N/A", "NaN",
                                                                  "null", "None", "?"};

/// The table as CSV (RFC 4180, but lines end in '\n'): a header line, then the rows in order.
/// read_table() reads back the same values: numbers have as many digits as that takes, a missing
/// cell is empty, text that would read as missing stands in quotes. Only an empty text reads back
/// as missing, and a column of texts that all look like numbers as numbers. Dates: ISO 8601, UTC.
/// Thread safety: pure.
std::string csv_of(const Table& table);

}  // namespace mutirao::data
