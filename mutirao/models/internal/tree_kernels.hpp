#pragma once

// The inner loops of growing a tree, once per instruction set.
//
// Every version does the same floating-point operations on the same numbers in the same order, so a
// tree has the same bytes on all of them.

#include <cstddef>
#include <cstdint>

#include "mutirao/core/instruction_set.hpp"

namespace mutirao::models::internal {

/// Weighted sums of a row, or of the rows up to a position.
struct alignas(16) Sums {
  double wy = 0.0;  ///< weight x (target - mean target of the tree)
  double w = 0.0;
};

// An entry of a sorted list: rank in the upper half, row (local to the tile) in the lower.
using NarrowEntry = std::uint32_t;
using WideEntry = std::uint64_t;

template <class Entry>
inline constexpr unsigned kRankShift = sizeof(Entry) * 4;
/// The rank of a missing value; also the largest row number + 1.
template <class Entry>
inline constexpr Entry kMissingRank = (Entry{1} << kRankShift<Entry>)-1;

template <class Entry>
constexpr std::size_t row_of(Entry entry) noexcept {
  return entry & kMissingRank<Entry>;
}
template <class Entry>
constexpr Entry rank_of(Entry entry) noexcept {
  return entry >> kRankShift<Entry>;
}

/// The best place to cut a sorted list of rows in two.
struct Cut {
  /// d^2 / (wl wr), where d = wyl W - WY wl: W times the fall of the squared error; below 0: none.
  double score = -1.0;
  /// Rows on the left; 0: none better than the score it began with.
  std::size_t left = 0;
  /// Their sums, with those of the missing ones if these go left.
  Sums left_total;
  bool missing_left = false;
};

/// What a cut must leave on either side.
struct CutLimits {
  std::size_t min_rows = 1;
  double min_weight = 0.0;
};

/// Lists that best_cuts looks at together, on a processor that can.
inline constexpr std::size_t kMostLanes = 8;
/// How many entries beyond the last of a list a kernel may read.
inline constexpr std::size_t kReadBeyond = 16;

template <class Entry>
struct TreeKernels {
  /// Per list, the first of its best cuts; a cut lies between two ranks. All lists have `count`
  /// entries. See Note [A list in each lane] in tree_kernels_lanes.hpp.
  void (*best_cuts)(Entry* const* lists, std::size_t n_lists, std::size_t count, const Sums* sums,
                    Sums total, const CutLimits& limits, Cut* cuts);
  /// The first of the best cuts of entries[0, count) that scores more than `floor`, with `before`
  /// added to the left side; a cut lies between two ranks. before_rows counts toward min_rows.
  Cut (*best_cut)(const Entry* entries, std::size_t count, const Sums* sums, Sums total,
                  Sums before, std::size_t before_rows, const CutLimits& limits, double floor);
  /// In each list, moves the entries whose row has left[row] != 0 to the front; both parts keep
  /// their order. `room` has space for count entries.
  void (*partition)(Entry* const* lists, std::size_t n_lists, std::size_t count,
                    const std::uint8_t* left, Entry* room);
};

template <class Entry>
const TreeKernels<Entry>& tree_kernels(core::InstructionSet set);

}  // namespace mutirao::models::internal
