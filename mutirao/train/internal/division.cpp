#include "mutirao/train/internal/division.hpp"

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/data/splits.hpp"

namespace mutirao::train::internal {
namespace {

std::vector<std::uint32_t> classes_of(const PreparedData& prepared) {
  if (prepared.task == data::Task::kRegression) return {};
  return {prepared.y.begin(), prepared.y.end()};
}

std::string rows_text(std::size_t rows) {
  return fmt::format("{} row{}", rows, rows == 1 ? "" : "s");
}

void check_rows(const TrainConfig& config, const PreparedData& prepared) {
  const std::size_t folds = fold_count(config);
  if (config.test_size || folds <= prepared.rows()) return;
  throw core::InvalidInput(
      fmt::format("{} folds need {} rows that have a target, and there {} {}", folds, folds,
                  prepared.rows() == 1 ? "is" : "are", prepared.rows()),
      "give fewer --folds, or more rows");
}

/// Folds that are not bound to groups or times give each class its share, if it has enough rows.
void check_classes(const TrainConfig& config, const std::vector<std::uint32_t>& classes,
                   PreparedData& prepared) {
  std::vector<std::size_t> rows(prepared.classes.size());
  for (const std::uint32_t each : classes) ++rows[each];
  const std::size_t needed = config.test_size ? 2 : fold_count(config);
  const auto most = std::max_element(rows.begin(), rows.end());
  if (*most < needed) {
    const std::string& name = prepared.classes.names[static_cast<std::size_t>(most - rows.begin())];
    throw core::InvalidInput(
        fmt::format("no class of the target '{}' has {} rows, as {}: the largest, '{}', has {}",
                    config.target, needed,
                    config.test_size ? "a split needs" : fmt::format("{} folds need", needed), name,
                    *most),
        "name a target of fewer classes, or say --task regression if it is a number");
  }
  constexpr std::size_t kMostNamed = 5;
  std::string few;
  std::size_t named = 0;
  for (std::size_t c = 0; c < rows.size(); ++c) {
    if (rows[c] >= needed || ++named > kMostNamed) continue;
    few += fmt::format("{}'{}' ({})", few.empty() ? "" : ", ", prepared.classes.names[c],
                       rows_text(rows[c]));
  }
  if (named == 0) return;
  if (named > kMostNamed) few += fmt::format(" and {} more", named - kMostNamed);
  prepared.warnings.push_back(fmt::format(
      "{} too few rows for {}: {}", named == 1 ? "a class has" : "some classes have",
      config.test_size ? "a split" : fmt::format("each of the {} folds to test it", needed), few));
}

std::vector<std::uint32_t> folds_of(const TrainConfig& config, PreparedData& prepared) {
  DivisionKeys keys{.times = {}, .groups = {}, .classes = classes_of(prepared)};
  if (config.time) {
    prepared.learns = data::Learns::kFromEarlier;
    const auto times = prepared.table.at(*config.time).numbers.span();
    keys.times.assign(times.begin(), times.end());
  } else if (config.group) {
    std::vector<std::uint32_t> rows(prepared.rows());
    std::iota(rows.begin(), rows.end(), 0U);
    keys.groups = groups_of(prepared.table.at(*config.group), rows);
  } else if (!keys.classes.empty()) {
    check_classes(config, keys.classes, prepared);
  }
  return fold_numbers_of(prepared.rows(), keys, fold_count(config), config.test_size, config.seed);
}

/// Splits that are bound to groups or times may test what no training row has.
void warn_of_unseen_classes(const TrainConfig& config, PreparedData& prepared) {
  if (prepared.task == data::Task::kRegression) return;
  std::vector<bool> unseen(prepared.classes.size());
  for (std::uint32_t fold = 0; fold < fold_count(config); ++fold) {
    const data::Split split = data::split_of(prepared.fold_numbers.span(), fold, prepared.learns);
    std::vector<bool> learned(prepared.classes.size());
    for (const std::uint32_t row : split.train)
      learned[static_cast<std::size_t>(prepared.y[row])] = true;
    for (const std::uint32_t row : split.test) {
      const auto each = static_cast<std::size_t>(prepared.y[row]);
      if (!learned[each]) unseen[each] = true;
    }
  }
  std::string names;
  for (std::size_t c = 0; c < unseen.size(); ++c) {
    if (unseen[c])
      names += fmt::format("{}'{}'", names.empty() ? "" : ", ", prepared.classes.names[c]);
  }
  if (names.empty()) return;
  prepared.warnings.push_back(
      fmt::format("some tested rows are of a class that no row to learn from has: {}", names));
}

}  // namespace

std::vector<std::uint32_t> groups_of(const data::Column& column,
                                     std::span<const std::uint32_t> rows) {
  std::vector<std::uint32_t> groups;
  groups.reserve(rows.size());
  std::unordered_map<double, std::uint32_t> numbers;
  for (const std::uint32_t row : rows) {
    const double key = column.type == data::ColumnType::kText
                           ? static_cast<double>(column.codes[row])
                           : column.numbers[row];
    groups.push_back(
        numbers.emplace(key, static_cast<std::uint32_t>(numbers.size())).first->second);
  }
  return groups;
}

std::vector<std::uint32_t> fold_numbers_of(std::size_t rows, const DivisionKeys& keys,
                                           std::size_t folds, std::optional<double> test_size,
                                           std::uint64_t seed) {
  if (!keys.times.empty()) {
    return test_size ? data::time_hold_out_numbers(keys.times, *test_size)
                     : data::time_fold_numbers(keys.times, folds);
  }
  if (!keys.groups.empty()) {
    return test_size ? data::group_hold_out_numbers(keys.groups, *test_size, seed)
                     : data::group_k_fold_numbers(keys.groups, folds, seed, keys.classes);
  }
  if (!keys.classes.empty()) {
    return test_size ? data::stratified_hold_out_numbers(keys.classes, *test_size, seed)
                     : data::stratified_k_fold_numbers(keys.classes, folds, seed);
  }
  return test_size ? data::hold_out_numbers(rows, *test_size, seed)
                   : data::k_fold_numbers(rows, folds, seed);
}

void divide(const TrainConfig& config, PreparedData& prepared) {
  check_rows(config, prepared);
  prepared.fold_numbers = core::SharedArray<std::uint32_t>::copy_of(folds_of(config, prepared));
  warn_of_unseen_classes(config, prepared);
}

}  // namespace mutirao::train::internal
