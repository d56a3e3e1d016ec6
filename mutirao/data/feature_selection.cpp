#include "mutirao/data/feature_selection.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"

namespace mutirao::data {
namespace {

constexpr double kLeakScore = 0.999;
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
  if (choice.id && column.name == *choice.id) return "id";
  if (contains(choice.drop, column.name)) return "dropped";
  if (contains(choice.categorical, column.name)) return {};
  if (is_constant(column)) return "constant";
  if (column.name.empty() && &column == &table.columns().front() && counts_rows(column))
    return "row numbers";
  if (column.type == ColumnType::kText &&
      static_cast<double>(distinct_values(column, column.rows())) >
          kDistinctTextShare * static_cast<double>(column.rows())) {
    return "text that is distinct in over 95% of the rows";
  }
  return {};
}

// Squared correlation of two columns over the rows where both are present.
double squared_correlation(const Column& x, const Column& y) {
  double n = 0, mean_x = 0, mean_y = 0, sxx = 0, syy = 0, sxy = 0;
  for (std::size_t row = 0; row < x.rows(); ++row) {
    if (x.is_missing(row) || y.is_missing(row)) continue;
    n += 1;
    const double dx = x.numbers[row] - mean_x;
    const double dy = y.numbers[row] - mean_y;
    mean_x += dx / n;
    mean_y += dy / n;
    sxx += dx * (x.numbers[row] - mean_x);
    syy += dy * (y.numbers[row] - mean_y);
    sxy += dx * (y.numbers[row] - mean_y);
  }
  return n > 2 && sxx > 0 && syy > 0 ? sxy * sxy / (sxx * syy) : 0.0;
}

// The share of y's variance that lies between the levels of x.
double correlation_ratio(const Column& x, const Column& y) {
  std::vector<double> count(x.levels.size()), sum(x.levels.size());
  double n = 0, total = 0, squares = 0;
  const double shift = y.numbers[0] == y.numbers[0] ? y.numbers[0] : 0.0;
  for (std::size_t row = 0; row < x.rows(); ++row) {
    if (x.is_missing(row) || y.is_missing(row)) continue;
    const double value = y.numbers[row] - shift;
    count[x.codes[row]] += 1;
    sum[x.codes[row]] += value;
    n += 1;
    total += value;
    squares += value * value;
  }
  if (n == 0) return 0.0;
  const double variance = squares - total * total / n;
  double between = -total * total / n;
  for (std::size_t level = 0; level < count.size(); ++level) {
    if (count[level] > 0) between += sum[level] * sum[level] / count[level];
  }
  return variance > 0 ? between / variance : 0.0;
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
    throw core::InvalidInput("no column is left to learn from",
                             "add columns, or bring some back with --categorical");
  }
  return selection;
}

std::vector<std::string> possible_leaks(const Table& table, const FeatureSelection& selection,
                                        const Column& target) {
  std::vector<std::string> leaks;
  if (target.type == ColumnType::kText) return leaks;
  for (const std::string& name : selection.features) {
    const Column& column = table.at(name);
    double score = 0.0;
    if (column.type != ColumnType::kText) {
      score = squared_correlation(column, target);
    } else if (column.levels.size() <= table.rows() / 10) {
      score = correlation_ratio(column, target);
    }
    if (score > kLeakScore) leaks.push_back(name);
  }
  return leaks;
}

}  // namespace mutirao::data
