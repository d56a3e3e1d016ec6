#include "mutirao/train/internal/inner_splits.hpp"

#include <utility>

#include "mutirao/core/random.hpp"
#include "mutirao/train/internal/division.hpp"

namespace mutirao::train::internal {
namespace {

constexpr std::uint64_t kInnerStream = 0x696e6e6572;  // apart from the splits outside

std::vector<std::uint32_t> numbers_of(const InnerSplitOptions& options, const PreparedData& data,
                                      std::span<const std::uint32_t> rows, std::size_t folds) {
  // 0 folds: a single split.
  std::vector<std::uint32_t> classes;
  if (data.task == data::Task::kClassification) {
    for (const std::uint32_t row : rows) classes.push_back(static_cast<std::uint32_t>(data.y[row]));
  }
  if (options.time) {
    std::vector<double> times;
    for (const std::uint32_t row : rows) times.push_back(data.table.at(*options.time).numbers[row]);
    return folds == 0 ? data::time_hold_out_numbers(times, kInnerTestSize)
                      : data::time_fold_numbers(times, folds);
  }
  if (options.group) {
    const std::vector<std::uint32_t> groups = groups_of(data.table.at(*options.group), rows);
    return folds == 0 ? data::group_hold_out_numbers(groups, kInnerTestSize, options.seed)
                      : data::group_k_fold_numbers(groups, folds, options.seed, classes);
  }
  if (!classes.empty()) {
    return folds == 0 ? data::stratified_hold_out_numbers(classes, kInnerTestSize, options.seed)
                      : data::stratified_k_fold_numbers(classes, folds, options.seed);
  }
  return folds == 0 ? data::hold_out_numbers(rows.size(), kInnerTestSize, options.seed)
                    : data::k_fold_numbers(rows.size(), folds, options.seed);
}

}  // namespace

InnerSplitOptions inner_split_options(const TrainConfig& config) {
  return {.group = config.group,
          .time = config.time,
          .seed = core::RandomStream({config.seed, kInnerStream}).next()};
}

std::vector<data::Split> inner_splits(const InnerSplitOptions& options, const PreparedData& data,
                                      std::span<const std::uint32_t> rows) {
  const std::size_t folds = rows.size() < kFewRows    ? kFoldsOfFew
                            : rows.size() < kManyRows ? kFoldsOfSome
                                                      : 0;
  const std::vector<std::uint32_t> numbers = numbers_of(options, data, rows, folds);
  const auto learns =
      options.time && folds != 0 ? data::Learns::kFromEarlier : data::Learns::kFromAllOthers;
  std::vector<data::Split> splits;
  for (std::uint32_t fold = 0; fold < (folds == 0 ? 1 : folds); ++fold) {
    data::Split split = data::split_of(numbers, fold, learns);
    for (std::vector<std::uint32_t>* side : {&split.train, &split.test}) {
      for (std::uint32_t& row : *side) row = rows[row];
    }
    splits.push_back(std::move(split));
  }
  return splits;
}

}  // namespace mutirao::train::internal
