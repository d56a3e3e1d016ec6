#include "mutirao/data/cell_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <string>

namespace mutirao::data {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

bool is_integer(std::string_view text) {
  text = trimmed(text);
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<double> number_in(std::string_view text) {
  text = trimmed(text);
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || text.empty()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Too large is an infinity, too small is zero; from_chars does not say which.
    value = std::strtod(std::string(text).c_str(), nullptr);
  } else if (error != std::errc()) {
    return std::nullopt;
  }
  return value;
}

std::optional<double> boolean_in(std::string_view text) {
  text = trimmed(text);
  const auto equals = [&](std::string_view word) {
    return std::equal(text.begin(), text.end(), word.begin(), word.end(), [](char a, char b) {
      return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b;
    });
  };
  if (equals("true")) return 1.0;
  if (equals("false")) return 0.0;
  return std::nullopt;
}

std::optional<double> timestamp_in(std::string_view text) {
  text = trimmed(text);
  const auto number = [&](std::size_t digits) -> std::optional<unsigned> {
    unsigned value = 0;
    if (text.size() < digits) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
    if (error != std::errc() || end != text.data() + digits) return std::nullopt;
    text.remove_prefix(digits);
    return value;
  };
  const auto skip = [&](char c) {
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
  };
  const auto year = number(4);
  if (!year || !skip('-')) return std::nullopt;
  const auto month = number(2);
  if (!month || !skip('-')) return std::nullopt;
  const auto day = number(2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(*month), std::chrono::day(*day)};
  if (!date.ok()) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  double seconds = static_cast<double>(days) * 86400.0;
  if (text.empty()) return seconds;
  if (!skip('T') && !skip(' ')) return std::nullopt;
  const auto hour = number(2);
  if (!hour || *hour > 23 || !skip(':')) return std::nullopt;
  const auto minute = number(2);
  if (!minute || *minute > 59) return std::nullopt;
  seconds += *hour * 3600.0 + *minute * 60.0;
  if (skip(':')) {
    const auto second = number(2);
    if (!second || *second > 60) return std::nullopt;
    seconds += *second;
    if (!text.empty() && text.front() == '.') {
      double fraction = 0.0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fraction);
      if (error != std::errc()) return std::nullopt;
      text.remove_prefix(static_cast<std::size_t>(end - text.data()));
      seconds += fraction;
    }
  }
  skip('Z');
  if (!text.empty()) return std::nullopt;
  return seconds;
}

bool is_number_of_other_form(std::string_view text) {
  text = trimmed(text);
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  for (const std::string_view unit : {"$", "\xE2\x82\xAC", "\xC2\xA3"}) {  // dollar, euro, pound
    if (text.starts_with(unit)) text.remove_prefix(unit.size());
    if (text.ends_with(unit)) text.remove_suffix(unit.size());
  }
  if (text.ends_with('%')) text.remove_suffix(1);
  text = trimmed(text);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || !is_digit(text.front()) || !is_digit(text.back())) return false;
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return is_digit(c) || c == '.' || c == ','; });
}

bool is_date_of_other_form(std::string_view text) {
  text = trimmed(text);
  text = text.substr(0, text.find_first_of(" T"));
  std::array<std::string_view, 3> parts;
  char separator = 0;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    const std::size_t end = text.find_first_not_of("0123456789");
    parts[part] = text.substr(0, end);
    text.remove_prefix(parts[part].size());
    if (part == 2) break;
    if (text.empty() || std::string_view("/.-").find(text.front()) == std::string_view::npos)
      return false;
    if (separator != 0 && text.front() != separator) return false;
    separator = text.front();
    text.remove_prefix(1);
  }
  if (!text.empty()) return false;
  const auto counts_days = [](std::string_view digits) {
    unsigned value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return !digits.empty() && digits.size() <= 2 && value >= 1 && value <= 31;
  };
  return counts_days(parts[1]) && ((parts[0].size() == 4 && counts_days(parts[2])) ||
                                   (counts_days(parts[0]) && parts[2].size() == 4));
}

}  // namespace mutirao::data
