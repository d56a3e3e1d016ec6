#include "mutirao/train/internal/target.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/suggestion.hpp"
#include "mutirao/data/column_doubts.hpp"
#include "mutirao/data/source.hpp"

namespace mutirao::train::internal {
namespace {

std::string position(const TrainConfig& config, const data::Table& table, std::size_t row) {
  return data::position_of_row(config.data, table, row);
}

/// Throws unless the column holds something that has an order, or an amount.
void check_is_number(const TrainConfig& config, const data::Table& table,
                     const data::Column& column, const char* role, bool dates) {
  if (column.type == data::ColumnType::kText) {
    const std::size_t row = data::first_odd_text(column).value_or(0);
    throw core::InvalidInput(
        fmt::format("the {} '{}' is to hold {}, but {} holds '{}'", role, column.name,
                    dates ? "dates or numbers" : "numbers", position(config, table, row),
                    column.levels[column.codes[row]]),
        dates ? "write dates as 2024-03-01 or 2024-03-01T12:30" : "mend that cell");
  }
  if (column.type == data::ColumnType::kTimestamp && !dates) {
    throw core::InvalidInput(
        fmt::format("the {} '{}' holds dates, and is to hold numbers", role, column.name),
        "name another column");
  }
}

void check_present(const TrainConfig& config, const data::Table& table, const data::Column& column,
                   const char* role, const std::vector<std::uint32_t>& rows) {
  for (const std::uint32_t row : rows) {
    if (!column.is_missing(row)) continue;
    throw core::InvalidInput(fmt::format("the {} '{}' is missing in {}", role, column.name,
                                         position(config, table, row)),
                             "fill that cell, or leave the row out");
  }
}

/// Throws for a weight that is none; takes the rows out that weigh nothing. Returns how many.
std::size_t apply_weights(const TrainConfig& config, const data::Table& table,
                          std::vector<std::uint32_t>& rows) {
  const data::Column& weight = table.at(*config.weight, "weight column");
  check_is_number(config, table, weight, "weight column", false);
  check_present(config, table, weight, "weight column", rows);
  for (const std::uint32_t row : rows) {
    if (weight.numbers[row] >= 0.0) continue;
    throw core::InvalidInput(fmt::format("the weight column '{}' is {} in {}", weight.name,
                                         weight.numbers[row], position(config, table, row)),
                             "weights are not negative; zero leaves a row out");
  }
  const std::size_t weightless =
      std::erase_if(rows, [&](std::uint32_t row) { return weight.numbers[row] == 0.0; });
  if (rows.empty()) {
    throw core::InvalidInput(
        fmt::format("the weight column '{}' is 0 in every row that has a target", weight.name),
        "name another column with --weight");
  }
  return weightless;
}

/// The class that f1 and roc_auc judge, if there are two.
void choose_positive(const TrainConfig& config, PreparedData& prepared) {
  const data::ClassLabels& classes = prepared.classes;
  if (config.positive && classes.size() != 2) {
    throw core::InvalidInput(
        fmt::format("--positive {} names one class of two, and the target '{}' has {}",
                    *config.positive, config.target, classes.size()),
        "leave it out: f1 and roc_auc are means over the classes");
  }
  if (!config.positive) {
    if (classes.size() == 2) {
      prepared.notes.push_back(
          fmt::format("the positive class, which f1 and roc_auc judge, is '{}' (--positive names "
                      "the other)",
                      classes.names[1]));
    }
    return;
  }
  const std::optional<std::size_t> found = classes.find(*config.positive);
  if (!found) {
    throw core::InvalidInput(
        fmt::format("the target '{}' has no class '{}'", config.target, *config.positive),
        core::suggestion(*config.positive, classes.names));
  }
  prepared.positive = *found;
}

}  // namespace

void decide_task(const TrainConfig& config, const data::Table& table, PreparedData& prepared) {
  const data::Column& target = table.at(config.target, "target");
  if (target.count_missing() == target.rows()) {
    throw core::InvalidInput(fmt::format("the target '{}' is missing in every row", target.name),
                             "name another column with --target");
  }
  if (config.task) {
    prepared.task = *config.task;
  } else {
    const data::TaskGuess guess = data::infer_task(target);
    prepared.task = guess.task;
    prepared.notes.push_back(fmt::format("{}: this is {} (--task says otherwise)", guess.because,
                                         data::name_of(guess.task)));
  }
  check_for(config, prepared.task);
  if (prepared.task == data::Task::kClassification || target.type != data::ColumnType::kText)
    return;
  const std::size_t row = data::first_odd_text(target).value_or(0);
  throw core::InvalidInput(
      fmt::format("the target '{}' is to be a number, but {} holds '{}'", target.name,
                  position(config, table, row), target.levels[target.codes[row]]),
      "mend that cell, or leave it empty: rows without a target are dropped");
}

void keep_usable_rows(const TrainConfig& config, const data::Table& table, PreparedData& prepared) {
  const data::Column& target = table.at(config.target, "target");
  std::vector<std::uint32_t> rows;
  rows.reserve(table.rows());
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (!target.is_missing(row)) rows.push_back(static_cast<std::uint32_t>(row));
  }
  if (rows.size() != table.rows()) {
    prepared.notes.push_back(fmt::format("{} of {} rows are dropped: their target is missing",
                                         table.rows() - rows.size(), table.rows()));
  }
  if (config.group) {
    check_present(config, table, table.at(*config.group, "group column"), "group column", rows);
  }
  if (config.time) {
    const data::Column& time = table.at(*config.time, "time column");
    check_is_number(config, table, time, "time column", true);
    check_present(config, table, time, "time column", rows);
  }
  if (config.weight) {
    if (const std::size_t weightless = apply_weights(config, table, rows); weightless > 0) {
      prepared.notes.push_back(
          fmt::format("{} of {} rows are dropped: their weight is 0", weightless, table.rows()));
    }
  }
  prepared.rows_dropped = table.rows() - rows.size();
  if (prepared.rows_dropped == 0) {
    prepared.table = table;
  } else {
    prepared.source_rows = core::SharedArray<std::uint32_t>::copy_of(rows);
    prepared.table = table.take(rows);
  }
  if (config.weight) prepared.weights = prepared.table.at(*config.weight).numbers;
}

void take_target(const TrainConfig& config, PreparedData& prepared) {
  const data::Column& target = prepared.table.at(config.target);
  if (target.rows() < 2)
    throw core::InvalidInput("one row is too few to learn from", "give two rows at least");
  const auto refuse_constant = [&](const std::string& value) {
    throw core::InvalidInput(
        fmt::format("the target '{}' is {} in every row: there is nothing to learn", target.name,
                    value),
        "name another column with --target");
  };
  if (prepared.task == data::Task::kRegression) {
    prepared.y = target.numbers;
    if (std::all_of(prepared.y.begin(), prepared.y.end(),
                    [&](double value) { return value == prepared.y[0]; }))
      refuse_constant(fmt::format("{}", prepared.y[0]));
    return;
  }
  prepared.classes = data::labels_of(target);
  if (prepared.classes.size() < 2) refuse_constant("'" + prepared.classes.names[0] + "'");
  choose_positive(config, prepared);
  const std::vector<std::uint32_t> indices = data::class_indices(target, prepared.classes);
  prepared.y =
      core::SharedArray<double>::copy_of(std::vector<double>(indices.begin(), indices.end()));
}

}  // namespace mutirao::train::internal
