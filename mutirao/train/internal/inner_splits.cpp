#include "mutirao/train/internal/inner_splits.hpp"

#include <optional>
#include <utility>

#include "mutirao/core/random.hpp"
#include "mutirao/train/internal/division.hpp"

namespace mutirao::train::internal {
namespace {

constexpr std::uint64_t kInnerStream = 0x696e6e6572;  // apart from the splits outside

DivisionKeys keys_of(const InnerSplitOptions& options, const PreparedData& data,
                     std::span<const std::uint32_t> rows) {
  DivisionKeys keys;
  if (data.task == data::Task::kClassification) {
    for (const std::uint32_t row : rows)
      keys.classes.push_back(static_cast<std::uint32_t>(data.y[row]));
  }
  if (options.time) {
    const auto times = data.table.at(*options.time).numbers.span();
    for (const std::uint32_t row : rows) keys.times.push_back(times[row]);
  } else if (options.group) {
    keys.groups = groups_of(data.table.at(*options.group), rows);
  }
  return keys;
}

}  // namespace

InnerSplitOptions inner_split_options(const TrainConfig& config) {
  return {.group = config.group,
          .time = config.time,
          .seed = core::RandomStream({config.seed, kInnerStream}).next()};
}

std::vector<data::Split> inner_splits(const InnerSplitOptions& options, const PreparedData& data,
                                      std::span<const std::uint32_t> rows) {
  const std::size_t folds = inner_split_count(rows.size());
  const bool single = folds == 1;
  const std::vector<std::uint32_t> numbers =
      fold_numbers_of(rows.size(), keys_of(options, data, rows), folds,
                      single ? std::optional(kInnerTestSize) : std::nullopt, options.seed);
  const auto learns =
      options.time && !single ? data::Learns::kFromEarlier : data::Learns::kFromAllOthers;
  std::vector<data::Split> splits;
  for (std::uint32_t fold = 0; fold < folds; ++fold) {
    data::Split split = data::split_of(numbers, fold, learns);
    for (std::vector<std::uint32_t>* side : {&split.train, &split.test}) {
      for (std::uint32_t& row : *side) row = rows[row];
    }
    splits.push_back(std::move(split));
  }
  return splits;
}

}  // namespace mutirao::train::internal
