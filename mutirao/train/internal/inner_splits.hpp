#pragma once

// The splits on which the draws of a search are scored, inside the rows that a fold learns from.
//
// What a fold tests takes no part: no draw is chosen by rows that the leaderboard's score is of.
// The kind of split is that of the run (classes keep their shares, groups stay whole, later rows
// are tested by what is earlier); how many there are goes by the number of rows, for few rows make
// a single score too uncertain to choose by.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <cereal/types/optional.hpp>
#include <cereal/types/string.hpp>

#include "mutirao/data/splits.hpp"
#include "mutirao/train/config.hpp"
#include "mutirao/train/internal/prepared_data.hpp"

namespace mutirao::train::internal {

struct InnerSplitOptions {
  std::optional<std::string> group;
  std::optional<std::string> time;
  std::uint64_t seed = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(group, time, seed);
  }
};

/// Those of a run.
InnerSplitOptions inner_split_options(const TrainConfig& config);

/// Below so many rows, so many folds; from the last on, a single split.
inline constexpr std::size_t kFewRows = 2000;
inline constexpr std::size_t kFoldsOfFew = 5;
inline constexpr std::size_t kManyRows = 10000;
inline constexpr std::size_t kFoldsOfSome = 3;
inline constexpr double kInnerTestSize = 0.2;

/// How many splits so many rows have.
inline std::size_t inner_split_count(std::size_t rows) noexcept {
  return rows < kFewRows ? kFoldsOfFew : rows < kManyRows ? kFoldsOfSome : 1;
}

/// Splits of the given rows; their numbers are those of the data. Pure: the same for every draw.
/// Throws core::InvalidArgument when the rows, their groups or their times cannot be split so.
std::vector<data::Split> inner_splits(const InnerSplitOptions& options, const PreparedData& data,
                                      std::span<const std::uint32_t> rows);

}  // namespace mutirao::train::internal
