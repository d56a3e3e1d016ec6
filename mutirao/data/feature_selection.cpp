#include "mutirao/data/feature_selection.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mutirao/core/error.hpp"

namespace mutirao::data {
namespace {

constexpr double kDistinctTextShare = 0.95;
constexpr std::size_t kMostClasses = 10;
constexpr double kMostClassesShare = 0.05;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_constant(const Column& column) {
  for (std::size_t row = 1; row < column.rows(); ++row) {
    if (column.type == ColumnType::kText) {
      if (column.codes[row] != column.codes[0]) return false;
    } else if (column.numbers[row] != column.numbers[0] &&
               !(column.is_missing(row) && column.is_missing(0))) {
      return false;
    }
  }
  return true;
}

// The number of distinct values that are present; stops counting above `enough`.
std::size_t distinct_values(const Column& column, std::size_t enough) {
  if (column.type == ColumnType::kText) {
    std::vector<bool> seen(column.levels.size());
    std::size_t count = 0;
    for (const std::uint32_t code : column.codes) {
      if (code == kMissingCode || seen[code]) continue;
      seen[code] = true;
      ++count;
    }
    return count;
  }
  std::unordered_set<double> seen;
  for (std::size_t row = 0; row < column.rows() && seen.size() <= enough; ++row) {
    if (!column.is_missing(row)) seen.insert(column.numbers[row]);
  }
  return seen.size();
}

bool counts_rows(const Column& column) {
  if (column.type != ColumnType::kNumber || column.rows() == 0) return false;
  const double first = column.numbers[0];
  if (first != 0.0 && first != 1.0) return false;
  for (std::size_t row = 0; row < column.rows(); ++row) {
    if (column.numbers[row] != first + static_cast<double>(row)) return false;
  }
  return true;
}

std::string why_left_out(const Table& table, const Column& column, const FeatureChoice& choice) {
  if (column.name == choice.target) return "target";
  if (column.name == choice.id) return "id";
  if (column.name == choice.weight) return "weight";
  if (column.name == choice.group) return "group";
  if (contains(choice.drop, column.name)) return "dropped";
  if (contains(choice.categorical, column.name)) return {};
  if (is_constant(column))
    return column.rows() > 0 && column.is_missing(0) ? "missing in every row" : "constant";
  if (column.name.empty() && &column == &table.columns().front() && counts_rows(column))
    return "row numbers";
  if (column.type == ColumnType::kText &&
      static_cast<double>(distinct_values(column, column.rows())) >
          kDistinctTextShare * static_cast<double>(column.rows())) {
    return "text that is distinct in over 95% of the rows";
  }
  return {};
}

}  // namespace

std::string_view name_of(Task task) noexcept {
  return task == Task::kRegression ? "regression" : "classification";
}

std::optional<Task> task_named(std::string_view name) noexcept {
  for (const Task task : {Task::kRegression, Task::kClassification}) {
    if (name == name_of(task)) return task;
  }
  return std::nullopt;
}

TaskGuess infer_task(const Column& target) {
  switch (target.type) {
    case ColumnType::kText:
      return {Task::kClassification, fmt::format("target '{}' holds text", target.name)};
    case ColumnType::kBoolean:
      return {Task::kClassification, fmt::format("target '{}' holds true and false", target.name)};
    case ColumnType::kTimestamp:
      return {Task::kRegression, fmt::format("target '{}' holds dates", target.name)};
    case ColumnType::kNumber:
      break;
  }
  if (!target.integral)
    return {Task::kRegression, fmt::format("target '{}' holds fractions", target.name)};
  const std::size_t distinct = distinct_values(target, target.rows());
  const bool few =
      distinct <= kMostClasses &&
      static_cast<double>(distinct) <= kMostClassesShare * static_cast<double>(target.rows());
  return {few ? Task::kClassification : Task::kRegression,
          fmt::format("target '{}' holds integers, {} of them distinct", target.name, distinct)};
}

FeatureSelection select_features(const Table& table, const FeatureChoice& choice) {
  table.at(choice.target, "target");
  if (choice.id) table.at(*choice.id, "id column");
  if (choice.weight) table.at(*choice.weight, "weight column");
  if (choice.group) table.at(*choice.group, "group column");
  for (const std::string& name : choice.drop) table.at(name, "column to drop");
  for (const std::string& name : choice.categorical) table.at(name, "categorical column");

  FeatureSelection selection;
  for (const Column& column : table.columns()) {
    ColumnUse use{column.name, column.type, false, why_left_out(table, column, choice)};
    use.used = use.why.empty();
    if (use.used) {
      selection.features.push_back(column.name);
      if (contains(choice.categorical, column.name)) selection.categorical.push_back(column.name);
    }
    selection.columns.push_back(std::move(use));
  }
  if (selection.features.empty()) {
    std::vector<std::string> reasons;
    for (const ColumnUse& use : selection.columns) {
      if (use.name != choice.target) reasons.push_back(fmt::format("'{}' ({})", use.name, use.why));
    }
    constexpr std::size_t kNamed = 5;
    const std::string more = reasons.size() > kNamed
                                 ? fmt::format(" and {} more", reasons.size() - kNamed)
                                 : std::string();
    reasons.resize(std::min(reasons.size(), kNamed));
    throw core::InvalidInput(fmt::format("no column is left to learn from: {}{}",
                                         reasons.empty() ? "the table holds the target alone"
                                                         : fmt::to_string(fmt::join(reasons, ", ")),
                                         more),
                             "add columns, or bring some back with --categorical");
  }
  return selection;
}

}  // namespace mutirao::data
