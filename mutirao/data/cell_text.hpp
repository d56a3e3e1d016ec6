#pragma once

// What the text of one cell means.
//
// Guarantees: the same text means the same everywhere that text is read. Blanks around it do not
// count. Thread safety: pure functions.

#include <optional>
#include <string_view>

namespace mutirao::data {

/// "1.5", "+2", "-3e8"; what is too large for a double is an infinity. No "0x", no "1,000".
std::optional<double> number_in(std::string_view text);
/// Digits alone, with a sign at most.
bool is_integer(std::string_view text);
/// "true" is 1 and "false" 0, in any case.
std::optional<double> boolean_in(std::string_view text);
/// Seconds since 1970-01-01 UTC. ISO 8601: 2024-03-01, 2024-03-01 12:30, 2024-03-01T12:30:05.25Z;
/// no other zone than UTC.
std::optional<double> timestamp_in(std::string_view text);

}  // namespace mutirao::data
