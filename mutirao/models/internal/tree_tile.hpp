#pragma once

// The rows of a tree, or of a part of it, with one sorted list per feature.
// See Note [Sorted lists are carried down] and Note [Tiles] in tree_grower.hpp.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mutirao/models/internal/tree_kernels.hpp"
#include "mutirao/models/ranked_matrix.hpp"

namespace mutirao::models::internal {

template <class Entry>
struct Tile {
  std::size_t rows = 0;
  std::size_t features = 0;
  std::vector<Entry> lists;        // features x rows; readable beyond
  std::vector<Sums> sums;          // per row
  std::vector<double> y;           // per row
  std::vector<std::uint32_t> row;  // per row: its number in the matrix
  std::vector<std::uint8_t> left;  // per row: goes left in the split at hand

  Entry* list(std::size_t feature) noexcept { return lists.data() + feature * rows; }
  const Entry* list(std::size_t feature) const noexcept { return lists.data() + feature * rows; }
  /// Makes room; contents are not kept.
  void resize(std::size_t new_rows, std::size_t new_features);
};

/// The given rows (distinct, increasing) of the matrix. y: per row of the matrix; weights: per
/// given row, or empty for 1; centre is taken off y in sums. `local_of`: scratch.
template <class Entry>
void fill_tile(Tile<Entry>& tile, const RankedMatrix& ranked, std::span<const std::uint32_t> rows,
               std::span<const double> y, std::span<const double> weights, double centre,
               std::vector<std::uint32_t>& local_of);

/// The range [first, last) of every list of `from`, as a tile of its own. `local_of`: one element
/// per row of `from`; those of the range are written.
template <class Entry>
void fill_tile(Tile<NarrowEntry>& tile, const Tile<Entry>& from, std::size_t first,
               std::size_t last, std::span<std::uint32_t> local_of);

/// How many of the n entries of a sorted list are not missing values.
template <class Entry>
std::size_t present_rows(const Entry* entries, std::size_t n) noexcept {
  const Entry first_missing = static_cast<Entry>(kMissingRank<Entry> << kRankShift<Entry>);
  return static_cast<std::size_t>(
      std::lower_bound(entries, entries + n, first_missing,
                       [](Entry entry, Entry bound) { return rank_of(entry) < rank_of(bound); }) -
      entries);
}

}  // namespace mutirao::models::internal
