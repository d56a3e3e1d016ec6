#pragma once

// What searches of a node by ranks have in common; see
// Note [Nodes are sorted where few features are looked at] in rank_sorter.hpp.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mutirao/models/internal/growth.hpp"
#include "mutirao/models/internal/rank_sorter.hpp"
#include "mutirao/models/internal/row_grower.hpp"
#include "mutirao/models/internal/row_tables.hpp"
#include "mutirao/models/internal/tree_kernels.hpp"
#include "mutirao/models/internal/tree_tile.hpp"

namespace mutirao::models::internal {

/// What searches by rank share: a node's ranks, and the sides of its rows.
template <class Targets>
class RankSearch {
 public:
  RankSearch(const Growth& growth, const RowRanks& ranks, Targets& targets)
      : growth_(growth), ranks_(ranks), targets_(targets), draw_(ranks.features()) {
    targets_.begin(growth);
  }

  void load(const std::uint32_t* rows, std::size_t n) { targets_.load(rows, n); }
  Sums total() const noexcept { return {.wy = 0.0, .w = targets_.weight()}; }
  bool pure() const noexcept { return targets_.pure(); }
  void leaf(GrownNode& node, std::size_t n) { targets_.leaf(growth_, node, n); }
  void inner(GrownNode& node) { targets_.inner(growth_, node); }

  /// Per row: 1 on the left, 0 on the right.
  const std::uint8_t* sides(const RowSplit& split, const std::uint32_t* rows, std::size_t n) {
    const std::uint32_t* ranks = gather(rows, n, split.feature);
    sides_.resize(std::max(sides_.size(), n));
    const std::uint8_t missing = split.missing_left ? 1 : 0;
    for (std::size_t i = 0; i < n; ++i) {
      sides_[i] = ranks[i] == RowRanks::kMissing
                      ? missing
                      : static_cast<std::uint8_t>(ranks[i] <= split.rank);
    }
    return sides_.data();
  }

  /// The rows as a tile with the sorted lists of all features.
  void fill_tile(const std::uint32_t* rows, std::size_t n, Tile<NarrowEntry>& tile) {
    tile.resize(n, ranks_.features());
    for (std::size_t i = 0; i < n; ++i) {
      tile.row[i] = rows[i];
      tile.y[i] = targets_.target(rows[i]);
      tile.sums[i] = targets_.sums_of(rows[i]);
    }
    for (std::size_t j = 0; j < ranks_.features(); ++j) {
      const std::uint32_t* ranks = gather(rows, n, j);
      sorter_.sort(ranks, n, NodeRanks(ranks, n), tile.list(j));
    }
  }

 protected:
  const std::uint32_t* gather(const std::uint32_t* rows, std::size_t n, std::size_t feature) {
    node_ranks_.resize(std::max(node_ranks_.size(), n + NodeRanks::kLanes));
    ranks_.gather(rows, n, feature, node_ranks_.data());
    std::fill_n(node_ranks_.begin() + static_cast<std::ptrdiff_t>(n), NodeRanks::kLanes - 1,
                node_ranks_[0]);
    return node_ranks_.data();
  }

  const Growth& growth_;
  const RowRanks& ranks_;
  Targets& targets_;
  FeatureDraw draw_;
  RankSorter sorter_;
  std::vector<std::uint32_t> node_ranks_;
  std::vector<std::uint8_t> sides_;
  std::vector<Cut> cuts_;  // per feature that is looked at
  std::vector<std::uint32_t> equals_;
};

}  // namespace mutirao::models::internal
