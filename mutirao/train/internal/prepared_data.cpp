#include "mutirao/train/internal/prepared_data.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/data/source.hpp"
#include "mutirao/data/splits.hpp"
#include "mutirao/models/registry.hpp"

namespace mutirao::train::internal {
namespace {

/// As the CSV reader reads one.
bool is_number(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return false;
  text = text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
  if (text.front() == '+') text.remove_prefix(1);
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error != std::errc::invalid_argument && end == text.data() + text.size();
}

/// The first row whose text is no number: what made the column a column of text.
std::size_t first_text_row(const data::Column& column) {
  for (std::size_t row = 0; row < column.rows(); ++row) {
    if (!column.is_missing(row) && !is_number(column.levels[column.codes[row]])) return row;
  }
  return 0;
}

void decide_task(const TrainConfig& config, const data::Table& table, const data::Column& target,
                 PreparedData& prepared) {
  if (config.task) {
    prepared.task = *config.task;
  } else {
    const data::TaskGuess guess = data::infer_task(target);
    prepared.task = guess.task;
    if (guess.task == data::Task::kClassification) refuse_classification(guess.because);
    prepared.notes.push_back(
        fmt::format("{}: this is regression (--task says otherwise)", guess.because));
  }
  if (target.type != data::ColumnType::kText) return;
  const std::size_t row = first_text_row(target);
  throw core::InvalidInput(
      fmt::format("the target '{}' is to be a number, but {} holds '{}'", target.name,
                  data::position_of_row(config.data, table, row), target.levels[target.codes[row]]),
      "mend that cell, or leave it empty: rows without a target are dropped");
}

/// The table without the rows whose target is missing.
void keep_rows_with_target(data::Table table, PreparedData& prepared, const std::string& name) {
  const data::Column& target = table.at(name);
  const std::size_t missing = target.count_missing();
  if (missing == table.rows()) {
    throw core::InvalidInput(fmt::format("the target '{}' is missing in every row", name),
                             "name another column with --target");
  }
  prepared.rows_dropped = missing;
  if (missing == 0) {
    prepared.table = std::move(table);
    return;
  }
  core::SharedArray<std::uint32_t> kept(table.rows() - missing);
  std::size_t next = 0;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (!target.is_missing(row)) kept.writable()[next++] = static_cast<std::uint32_t>(row);
  }
  kept.freeze();
  prepared.table = table.take(kept.span());
  prepared.source_rows = kept;
  prepared.notes.push_back(
      fmt::format("{} of {} rows are dropped: their target is missing", missing, table.rows()));
}

void check_target(const PreparedData& prepared, const std::string& name) {
  if (prepared.rows() < 2) {
    throw core::InvalidInput("one row is too few to learn from", "give two rows at least");
  }
  if (std::all_of(prepared.y.begin(), prepared.y.end(),
                  [&](double value) { return value == prepared.y[0]; })) {
    throw core::InvalidInput(
        fmt::format("the target '{}' is {} in every row: there is nothing to learn", name,
                    prepared.y[0]),
        "name another column with --target");
  }
}

void divide(const TrainConfig& config, PreparedData& prepared) {
  const std::size_t folds = fold_count(config);
  if (!config.test_size && folds > prepared.rows()) {
    throw core::InvalidInput(
        fmt::format("{} folds need {} rows that have a target, and there {} {}", folds, folds,
                    prepared.rows() == 1 ? "is" : "are", prepared.rows()),
        "give fewer --folds, or more rows");
  }
  prepared.fold_numbers = core::SharedArray<std::uint32_t>::copy_of(
      config.test_size ? data::hold_out_numbers(prepared.rows(), *config.test_size, config.seed)
                       : data::k_fold_numbers(prepared.rows(), folds, config.seed));
}

void describe_columns(const data::Column& target, PreparedData& prepared) {
  for (const data::ColumnUse& column : prepared.selection.columns) {
    const bool expected = column.why == "target" || column.why == "dropped" || column.why == "id";
    if (column.used || expected) continue;
    prepared.notes.push_back(fmt::format("column '{}' is left out: {} (--categorical keeps it)",
                                         column.name, column.why));
  }
  for (const std::string& name : data::possible_leaks(prepared.table, prepared.selection, target)) {
    prepared.warnings.push_back(
        fmt::format("column '{}' alone predicts the target almost perfectly: does it leak it? "
                    "(--drop leaves it out)",
                    name));
  }
}

void encode(const TrainConfig& config, PreparedData& prepared) {
  const std::vector<std::string> candidates = candidates_of(config);
  const bool wanted =
      std::any_of(candidates.begin(), candidates.end(), [](const std::string& name) {
        return models::find_estimator(name).encoding == data::Encoding::kCodes;
      });
  if (!wanted) return;
  std::vector<std::uint32_t> rows(prepared.rows());
  std::iota(rows.begin(), rows.end(), 0U);
  prepared.codes_encoder =
      data::FeatureEncoder::fit(prepared.table, prepared.selection, rows, data::Encoding::kCodes);
  prepared.codes = prepared.codes_encoder.transform(prepared.table);
  prepared.ranks = models::RankedMatrix(prepared.codes);
}

}  // namespace

PreparedData prepare(const TrainConfig& config) {
  PreparedData prepared;
  data::Table table = data::read_table(config.data, {.threads = config.cores.value_or(0)});
  const data::Column& target = table.at(config.target, "target");
  if (target.count_missing() < target.rows()) decide_task(config, table, target, prepared);
  keep_rows_with_target(std::move(table), prepared, config.target);
  const data::Column& kept = prepared.table.at(config.target);
  prepared.y = kept.numbers;
  check_target(prepared, config.target);
  divide(config, prepared);
  prepared.selection = data::select_features(prepared.table, {.target = config.target,
                                                              .drop = config.drop,
                                                              .id = config.id,
                                                              .categorical = config.categorical});
  describe_columns(kept, prepared);
  encode(config, prepared);
  return prepared;
}

}  // namespace mutirao::train::internal
