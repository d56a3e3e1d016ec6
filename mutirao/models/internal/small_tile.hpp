#pragma once

// Nodes of a few rows, small enough for vector registers.
//
// Note [Small nodes live in registers]: most nodes of a full tree have a handful of rows, and what
// they cost is not arithmetic but loops that hardly begin. Below a node of at most 16 rows, a row
// number is a byte and a whole list is one vector: splitting a list is one look-up and two
// compressions, and the sums of 16 rows fit two registers, from which eight lists take theirs at
// once. The numbers and their order are those of larger nodes, so a tree is the same whether its
// small nodes are grown this way or not; only AVX-512 has the instructions, elsewhere they are not.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mutirao/core/instruction_set.hpp"
#include "mutirao/models/internal/tree_kernels.hpp"
#include "mutirao/models/internal/tree_tile.hpp"

namespace mutirao::models::internal {

struct SmallTile {
  static constexpr std::size_t kRows = 16;
  /// From one list to the next, so that a vector may be read from any position of a list.
  static constexpr std::size_t kStride = 2 * kRows;

  std::size_t rows = 0;
  std::size_t features = 0;
  // Per row.
  alignas(64) double wy[kRows] = {};
  alignas(64) double w[kRows] = {};
  double y[kRows] = {};
  std::uint32_t row[kRows] = {};     // its number in the matrix
  std::vector<std::uint8_t> orders;  // features x kStride: rows in the order of the feature
  std::vector<std::uint8_t> ranks;   // features x kRows: rank of each row

  std::uint8_t* order(std::size_t feature) noexcept { return orders.data() + feature * kStride; }
  const std::uint8_t* order(std::size_t feature) const noexcept {
    return orders.data() + feature * kStride;
  }
  const std::uint8_t* rank(std::size_t feature) const noexcept {
    return ranks.data() + feature * kRows;
  }
  /// Whether the feature has one value in positions [first, last).
  bool constant(std::size_t feature, std::size_t first, std::size_t last) const noexcept {
    const std::uint8_t* in_order = order(feature);
    return rank(feature)[in_order[first]] == rank(feature)[in_order[last - 1]];
  }
};

/// The range [first, last) of every list of `from`; false, and nothing done, when there are too
/// many rows or a feature that varies has missing values. Overwrites from.left.
template <class Entry>
bool fill_small_tile(SmallTile& tile, Tile<Entry>& from, std::size_t first, std::size_t last);

struct SmallKernels {
  /// The first of the best cuts of positions [first, first + count) of each given feature, as
  /// TreeKernels::best_cuts finds it.
  void (*best_cuts)(const SmallTile& tile, const std::uint32_t* features, std::size_t n_features,
                    std::size_t first, std::size_t count, Sums total, const CutLimits& limits,
                    Cut* cuts);
  /// In each given list, moves the rows whose bit is set in `left` to the front of positions
  /// [first, first + count); both parts keep their order.
  void (*partition)(SmallTile& tile, const std::uint32_t* features, std::size_t n_features,
                    std::size_t first, std::size_t count, std::uint32_t left);
};

/// Null where small nodes are grown as all others.
const SmallKernels* small_kernels(core::InstructionSet set) noexcept;

}  // namespace mutirao::models::internal
