#include "mutirao/train/internal/work.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "mutirao/models/registry.hpp"

namespace mutirao::train::internal {
namespace {

// A process that has not read anything, as Linux counts what is its own.
constexpr double kProcessBytes = 16e6;
// Of a fully grown tree: two nodes a row at most, 8 bytes each, and the same again to join them.
constexpr double kTreeBytesPerRow = 32.0;
// What growing keeps per cell: ranks, orders and a copy.
constexpr double kGrowthBytesPerCell = 12.0;
constexpr double kMostLevels = 101.0;  // that one-hot coding gives columns of their own

double number_of(const std::string& text, double otherwise) {
  double number = otherwise;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && rest == text.data() + text.size() ? number : otherwise;
}

/// How many trees there are, and how many by default; 1 for models that are not of trees.
struct Trees {
  double asked = 1.0;
  double by_default = 1.0;
  bool any = false;
};

Trees trees_of(const models::EstimatorInfo& info, const models::ParameterMap& parameters) {
  for (const models::ParameterInfo& each : info.parameters) {
    if (each.name != "n_estimators") continue;
    const double by_default = number_of(each.default_value, 100.0);
    const auto set = parameters.find(each.name);
    return {set == parameters.end() ? by_default : number_of(set->second, by_default), by_default,
            true};
  }
  return {};
}

double width_of(const PreparedData& data, data::Encoding encoding) {
  if (encoding == data::Encoding::kCodes)
    return static_cast<double>(data.selection.features.size());
  double width = 0.0;
  for (const data::Column& column : data.table.columns()) {
    width += column.type == data::ColumnType::kText
                 ? std::min(kMostLevels, 1.0 + static_cast<double>(column.levels.size()))
                 : 1.0;
  }
  return width;
}

}  // namespace

double rows_of_fit(const PreparedData& data, const TrainConfig& config, std::uint32_t fold) {
  const auto rows = static_cast<double>(data.rows());
  const std::size_t folds = fold_count(config);
  if (fold >= folds) return rows;
  if (config.test_size) return rows * (1.0 - *config.test_size);
  const auto parts = static_cast<double>(folds);
  if (data.learns == data::Learns::kFromEarlier) return rows * (fold + 1.0) / (parts + 1.0);
  return rows * (parts - 1.0) / parts;
}

double work_of_fit(const Candidate& candidate, const PreparedData& data, double rows) {
  const models::EstimatorInfo& info = models::find_estimator(candidate.estimator, data.task);
  const Trees trees = trees_of(info, candidate.parameters);
  return info.work(rows, static_cast<double>(data.selection.features.size())) * trees.asked /
         trees.by_default;
}

bool keeps_trees(const Candidate& candidate, data::Task task) {
  const models::EstimatorInfo& info = models::find_estimator(candidate.estimator, task);
  return info.uses_threads && trees_of(info, candidate.parameters).any;
}

std::uint64_t memory_of_fit(const Candidate& candidate, const PreparedData& data, double rows) {
  const models::EstimatorInfo& info = models::find_estimator(candidate.estimator, data.task);
  const double cells = rows * width_of(data, info.encoding);
  const Trees trees = trees_of(info, candidate.parameters);
  double bytes = kProcessBytes;
  if (info.encoding != data::Encoding::kCodes) bytes += 2.0 * sizeof(double) * cells;
  if (info.uses_ranks || trees.any) {
    bytes += kGrowthBytesPerCell * cells;
    // Boosted trees are shallow: what they take is in the cells.
    if (info.uses_threads)
      bytes += kTreeBytesPerRow * rows * trees.asked *
               std::max(1.0, static_cast<double>(data.classes.size()));
  }
  return static_cast<std::uint64_t>(std::min(bytes, 1e18));
}

}  // namespace mutirao::train::internal
