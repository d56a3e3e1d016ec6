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
/// Whether people would take it for a number although `number_in` may not: digits with '.' and ',',
/// between a sign, a currency sign ($, euro, pound) and a percent sign. 1,200  $5.50  12%  3,5
bool is_number_of_other_form(std::string_view text);
/// Whether people would take it for a date although `timestamp_in` does not: three numbers with
/// '/',
/// '.' or '-' between them, one of them a year of four digits at an end, two of them at most 31; a
/// time may follow after a blank or 'T'. 3/4/2024  03.04.2024 10:15  2024/4/3
bool is_date_of_other_form(std::string_view text);

}  // namespace mutirao::data
