#include "mutirao/models/internal/small_tile.hpp"

#include <algorithm>

namespace mutirao::models::internal {

extern const SmallKernels kSmallKernelsAvx512;

const SmallKernels* small_kernels(core::InstructionSet set) noexcept {
  return set == core::InstructionSet::kAvx512 ? &kSmallKernelsAvx512 : nullptr;
}

template <class Entry>
bool fill_small_tile(SmallTile& tile, Tile<Entry>& from, std::size_t first, std::size_t last) {
  const std::size_t n = last - first;
  if (n > SmallTile::kRows) return false;
  const auto varies = [&](std::size_t j) {
    const Entry* list = from.list(j);
    return rank_of(list[first]) != rank_of(list[last - 1]);
  };
  for (std::size_t j = 0; j < from.features; ++j) {
    if (rank_of(from.list(j)[last - 1]) == kMissingRank<Entry> && varies(j)) return false;
  }
  tile.rows = n;
  tile.features = from.features;
  tile.orders.resize(tile.features * SmallTile::kStride);
  tile.ranks.resize(tile.features * SmallTile::kRows);
  const Entry* rows = from.list(0) + first;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t row = row_of(rows[i]);
    from.left[row] = static_cast<std::uint8_t>(i);
    tile.wy[i] = from.sums[row].wy;
    tile.w[i] = from.sums[row].w;
    tile.y[i] = from.y[row];
    tile.row[i] = from.row[row];
  }
  for (std::size_t j = 0; j < tile.features; ++j) {
    std::uint8_t* order = tile.order(j);
    std::uint8_t* ranks = tile.ranks.data() + j * SmallTile::kRows;
    if (j != 0 && !varies(j)) {
      // It may hold rows of other nodes; all that matters is that it does not vary.
      std::fill_n(order, SmallTile::kRows, std::uint8_t{0});
      continue;
    }
    const Entry* entries = from.list(j) + first;
    std::uint8_t rank = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint8_t row = from.left[row_of(entries[i])];
      if (i != 0 && rank_of(entries[i]) != rank_of(entries[i - 1])) ++rank;
      order[i] = row;
      ranks[row] = rank;
    }
  }
  return true;
}

template bool fill_small_tile<NarrowEntry>(SmallTile&, Tile<NarrowEntry>&, std::size_t,
                                           std::size_t);
template bool fill_small_tile<WideEntry>(SmallTile&, Tile<WideEntry>&, std::size_t, std::size_t);

}  // namespace mutirao::models::internal
