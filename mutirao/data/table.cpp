#include "mutirao/data/table.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "mutirao/core/suggestion.hpp"

namespace mutirao::data {
namespace {

constexpr double kLargestExactInteger = 9007199254740992.0;  // 2^53

template <class T>
core::SharedArray<T> gather(const core::SharedArray<T>& values,
                            std::span<const std::uint32_t> rows) {
  core::SharedArray<T> taken(rows.size());
  std::span<T> out = taken.writable();
  for (std::size_t i = 0; i < rows.size(); ++i) out[i] = values[rows[i]];
  taken.freeze();
  return taken;
}

}  // namespace

std::string_view name_of(ColumnType type) noexcept {
  switch (type) {
    case ColumnType::kNumber:
      return "number";
    case ColumnType::kText:
      return "text";
    case ColumnType::kBoolean:
      return "boolean";
    case ColumnType::kTimestamp:
      return "timestamp";
  }
  return "unknown";
}

std::optional<ColumnType> column_type_named(std::string_view name) noexcept {
  for (const ColumnType type :
       {ColumnType::kNumber, ColumnType::kText, ColumnType::kBoolean, ColumnType::kTimestamp}) {
    if (name == name_of(type)) return type;
  }
  return std::nullopt;
}

std::size_t Column::count_missing() const noexcept {
  std::size_t count = 0;
  for (std::size_t row = 0; row < rows(); ++row) count += is_missing(row) ? 1 : 0;
  return count;
}

Column number_column(std::string name, std::span<const double> values) {
  Column column;
  column.name = std::move(name);
  column.integral = true;
  for (std::size_t row = 0; row < values.size(); ++row) {
    const double value = values[row];
    if (std::isinf(value)) {
      throw core::InvalidInput(
          fmt::format("column '{}' holds an infinity in row {}", column.name, row + 1),
          "replace it by a number, or leave it empty to mean missing");
    }
    if (!std::isnan(value) &&
        (std::trunc(value) != value || std::abs(value) > kLargestExactInteger)) {
      column.integral = false;
    }
  }
  column.numbers = core::SharedArray<double>::copy_of(values);
  return column;
}

Column text_column(std::string name, std::span<const std::optional<std::string>> values) {
  Column column;
  column.name = std::move(name);
  column.type = ColumnType::kText;
  std::map<std::string_view, std::uint32_t> code_of;
  for (const auto& value : values) {
    if (value) code_of.emplace(*value, 0);
  }
  std::uint32_t next = 0;
  for (auto& [level, code] : code_of) {
    code = next++;
    column.levels.emplace_back(level);
  }
  core::SharedArray<std::uint32_t> codes(values.size());
  std::span<std::uint32_t> out = codes.writable();
  for (std::size_t row = 0; row < values.size(); ++row) {
    out[row] = values[row] ? code_of.find(*values[row])->second : kMissingCode;
  }
  codes.freeze();
  column.codes = std::move(codes);
  return column;
}

void Table::add(Column column) {
  if (find(column.name) != nullptr) {
    throw core::InvalidInput(fmt::format("two columns are named '{}'", column.name),
                             "rename one of them");
  }
  if (!columns_.empty() && column.rows() != rows_) {
    throw core::InvalidInput(
        fmt::format("column '{}' has {} rows, the others {}", column.name, column.rows(), rows_));
  }
  rows_ = column.rows();
  columns_.push_back(std::move(column));
}

const Column* Table::find(std::string_view name) const noexcept {
  const auto found = std::find_if(columns_.begin(), columns_.end(),
                                  [&](const Column& c) { return c.name == name; });
  return found == columns_.end() ? nullptr : &*found;
}

const Column& Table::at(std::string_view name, std::string_view role) const {
  if (const Column* column = find(name)) return *column;
  const std::vector<std::string> known = names();
  throw core::InvalidInput(fmt::format("there is no {} '{}' in the data", role, name),
                           core::suggestion(name, known));
}

std::vector<std::string> Table::names() const {
  std::vector<std::string> names;
  names.reserve(columns_.size());
  for (const Column& column : columns_) names.push_back(column.name);
  return names;
}

Table Table::take(std::span<const std::uint32_t> rows) const {
  Table table;
  table.rows_ = rows.size();
  for (const Column& column : columns_) {
    Column taken = column;
    if (column.type == ColumnType::kText) {
      taken.codes = gather(column.codes, rows);
    } else {
      taken.numbers = gather(column.numbers, rows);
    }
    table.columns_.push_back(std::move(taken));
  }
  return table;
}

}  // namespace mutirao::data
