#include "mutirao/data/class_labels.hpp"

#include <algorithm>
#include <cstdlib>
#include <unordered_map>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"

namespace mutirao::data {
namespace {

[[noreturn]] void refuse_many(const Column& target) {
  throw core::InvalidInput(
      fmt::format("the target '{}' has more than {} classes", target.name, kMostClasses),
      "name a target of few classes, or say --task regression if it is a number");
}

/// The distinct numbers of the column, by size.
std::vector<double> distinct_numbers(const Column& target) {
  std::vector<double> values;
  std::unordered_map<double, bool> seen;
  for (const double value : target.numbers.span()) {
    if (value != value || !seen.emplace(value, true).second) continue;
    values.push_back(value);
    if (values.size() > kMostClasses) refuse_many(target);
  }
  std::sort(values.begin(), values.end());
  return values;
}

std::string text_of(double value, ColumnType type) {
  if (type == ColumnType::kBoolean) return value != 0.0 ? "true" : "false";
  return fmt::format("{}", value + 0.0);  // -0 is 0
}

double number_of(const std::string& label, ColumnType type) {
  if (type == ColumnType::kBoolean) return label == "true" ? 1.0 : 0.0;
  return std::strtod(label.c_str(), nullptr);
}

}  // namespace

std::optional<std::size_t> ClassLabels::find(std::string_view name) const noexcept {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names.begin());
}

ClassLabels labels_of(const Column& target) {
  ClassLabels labels{.names = {}, .type = target.type};
  if (target.type == ColumnType::kTimestamp) {
    throw core::InvalidInput(
        fmt::format("the target '{}' holds dates, which are no classes", target.name),
        "make classes of them with a query: SELECT ..., month(d) AS m FROM ...");
  }
  if (target.type != ColumnType::kText) {
    for (const double value : distinct_numbers(target))
      labels.names.push_back(text_of(value, target.type));
    return labels;
  }
  std::vector<bool> present(target.levels.size());
  for (const std::uint32_t code : target.codes.span()) {
    if (code != kMissingCode) present[code] = true;
  }
  for (std::size_t level = 0; level < present.size(); ++level) {
    if (present[level]) labels.names.push_back(target.levels[level]);
  }
  if (labels.size() > kMostClasses) refuse_many(target);
  return labels;
}

std::vector<std::uint32_t> class_indices(const Column& target, const ClassLabels& labels) {
  const auto index_of = [&](const std::string& label) {
    const std::optional<std::size_t> found = labels.find(label);
    if (!found) {
      throw core::InvalidInput(
          fmt::format("column '{}' holds '{}', which is none of the classes", target.name, label));
    }
    return static_cast<std::uint32_t>(*found);
  };
  std::vector<std::uint32_t> indices;
  indices.reserve(target.rows());
  const auto check_present = [&](std::size_t row) {
    if (target.is_missing(row))
      throw core::InvalidInput(fmt::format("column '{}' is missing in row {}", target.name, row));
  };
  if (target.type == ColumnType::kText) {
    constexpr std::uint32_t kUnknown = kMissingCode;
    std::vector<std::uint32_t> of_level(target.levels.size(), kUnknown);
    for (std::size_t row = 0; row < target.rows(); ++row) {
      check_present(row);
      std::uint32_t& index = of_level[target.codes[row]];
      if (index == kUnknown) index = index_of(target.levels[target.codes[row]]);
      indices.push_back(index);
    }
    return indices;
  }
  std::unordered_map<double, std::uint32_t> of_value;
  for (std::size_t row = 0; row < target.rows(); ++row) {
    check_present(row);
    const double value = target.numbers[row];
    const auto [found, fresh] = of_value.emplace(value, 0U);
    if (fresh) found->second = index_of(text_of(value, target.type));
    indices.push_back(found->second);
  }
  return indices;
}

Column label_column(std::string name, const ClassLabels& labels, std::span<const double> indices) {
  const auto label_of = [&](double index) -> const std::string& {
    if (!(index >= 0.0 && index < static_cast<double>(labels.size()))) {
      throw core::InvalidArgument(
          fmt::format("{} is the index of none of {} classes", index, labels.size()));
    }
    return labels.names[static_cast<std::size_t>(index)];
  };
  if (labels.type == ColumnType::kText) {
    std::vector<std::optional<std::string>> texts;
    texts.reserve(indices.size());
    for (const double index : indices) texts.emplace_back(label_of(index));
    return text_column(std::move(name), texts);
  }
  std::vector<double> values;
  values.reserve(indices.size());
  for (const double index : indices) values.push_back(number_of(label_of(index), labels.type));
  Column column = number_column(std::move(name), values);
  if (labels.type == ColumnType::kBoolean) {
    column.type = ColumnType::kBoolean;
    column.integral = false;
  }
  return column;
}

}  // namespace mutirao::data
