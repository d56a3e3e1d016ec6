#include "mutirao/data/csv.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace mutirao::data {
namespace {

void append_text(std::string& out, std::string_view text) {
  const bool quoted =
      text.empty() || text.find_first_of(",\"\n\r;|\t") != std::string_view::npos ||
      text.front() == ' ' || text.back() == ' ' ||
      std::find(kMissingTexts.begin(), kMissingTexts.end(), text) != kMissingTexts.end();
  if (!quoted) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

void append_time(std::string& out, double seconds) {
  const double whole = std::floor(seconds);
  const std::chrono::sys_seconds moment{std::chrono::seconds(static_cast<std::int64_t>(whole))};
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(moment - day);
  auto into = std::back_inserter(out);
  fmt::format_to(into, "{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  const double fraction = seconds - whole;
  if (time.to_duration().count() == 0 && fraction == 0.0) return;
  fmt::format_to(into, "T{:02}:{:02}:{:02}", time.hours().count(), time.minutes().count(),
                 time.seconds().count());
  if (fraction == 0.0) return;
  // As few digits as read back the same moment, and at most those of a nanosecond.
  std::string digits;
  for (int count = 1; count <= 9; ++count) {
    std::string rounded = fmt::format("{:.{}f}", fraction, count);
    if (rounded.front() != '0') continue;  // that is the next second
    digits = std::move(rounded);
    if (whole + std::strtod(digits.c_str(), nullptr) == seconds) break;
  }
  if (!digits.empty()) out += digits.substr(1);
}

void append_cell(std::string& out, const Column& column, std::size_t row) {
  if (column.is_missing(row)) return;
  switch (column.type) {
    case ColumnType::kText:
      append_text(out, column.levels[column.codes[row]]);
      return;
    case ColumnType::kBoolean:
      out += column.numbers[row] != 0.0 ? "true" : "false";
      return;
    case ColumnType::kTimestamp:
      append_time(out, column.numbers[row]);
      return;
    case ColumnType::kNumber:
      fmt::format_to(std::back_inserter(out), "{}", column.numbers[row]);
      return;
  }
}

}  // namespace

std::string csv_of(const Table& table) {
  std::string out;
  const std::vector<Column>& columns = table.columns();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) out += ',';
    if (!columns[i].name.empty()) append_text(out, columns[i].name);
  }
  out += '\n';
  for (std::size_t row = 0; row < table.rows(); ++row) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (i > 0) out += ',';
      append_cell(out, columns[i], row);
    }
    out += '\n';
  }
  return out;
}

}  // namespace mutirao::data
