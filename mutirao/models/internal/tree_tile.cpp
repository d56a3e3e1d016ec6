#include "mutirao/models/internal/tree_tile.hpp"

#include <limits>

namespace mutirao::models::internal {
namespace {

constexpr std::uint32_t kOutside = std::numeric_limits<std::uint32_t>::max();

template <class Entry>
Entry make_entry(std::uint64_t rank, std::uint32_t row) noexcept {
  return static_cast<Entry>(static_cast<Entry>(rank) << kRankShift<Entry> | row);
}

}  // namespace

template <class Entry>
void Tile<Entry>::resize(std::size_t new_rows, std::size_t new_features) {
  rows = new_rows;
  features = new_features;
  lists.resize(rows * features + kReadBeyond);
  sums.resize(rows);
  y.resize(rows);
  row.resize(rows);
  left.resize(rows);
}

template <class Entry>
void fill_tile(Tile<Entry>& tile, const RankedMatrix& ranked, std::span<const std::uint32_t> rows,
               std::span<const double> y, std::span<const double> weights, double centre,
               std::vector<std::uint32_t>& local_of) {
  tile.resize(rows.size(), ranked.cols());
  local_of.assign(ranked.rows(), kOutside);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double weight = weights.empty() ? 1.0 : weights[i];
    local_of[rows[i]] = static_cast<std::uint32_t>(i);
    tile.row[i] = rows[i];
    tile.y[i] = y[rows[i]];
    tile.sums[i] = {.wy = weight * (y[rows[i]] - centre), .w = weight};
  }
  for (std::size_t feature = 0; feature < tile.features; ++feature) {
    const std::span<const std::uint32_t> order = ranked.order(feature);
    const std::size_t present = order.size() - ranked.missing(feature);
    Entry* list = tile.list(feature);
    std::size_t taken = 0;
    // Ranks are counted anew among the rows of the tile: they fit the entry, whatever the matrix.
    // Which rows are in the tile is random: a branch would be mispredicted, so an entry that does
    // not count is written, too, and the next takes its place. The first row begins rank 0.
    std::uint64_t rank = ~std::uint64_t{0};
    std::uint64_t new_value = 0;
    for (std::size_t i = 0; i < present; ++i) {
      const std::uint32_t local = local_of[order[i] & ~RankedMatrix::kNewValue];
      const std::uint64_t counts = local != kOutside ? 1 : 0;
      new_value |= order[i] / RankedMatrix::kNewValue;
      rank += new_value & counts;
      new_value &= ~counts;
      list[taken] = make_entry<Entry>(rank, local);
      taken += counts;
    }
    for (std::size_t i = present; i < order.size(); ++i) {
      const std::uint32_t local = local_of[order[i] & ~RankedMatrix::kNewValue];
      if (local != kOutside) list[taken++] = make_entry<Entry>(kMissingRank<Entry>, local);
    }
  }
}

template <class Entry>
void fill_tile(Tile<NarrowEntry>& tile, const Tile<Entry>& from, std::size_t first,
               std::size_t last, std::span<std::uint32_t> local_of) {
  tile.resize(last - first, from.features);
  for (std::size_t i = 0; i < tile.rows; ++i) {
    const std::size_t row = row_of(from.list(0)[first + i]);
    local_of[row] = static_cast<std::uint32_t>(i);
    tile.row[i] = from.row[row];
    tile.y[i] = from.y[row];
    tile.sums[i] = from.sums[row];
  }
  for (std::size_t feature = 0; feature < tile.features; ++feature) {
    const Entry* source = from.list(feature) + first;
    NarrowEntry* list = tile.list(feature);
    if (rank_of(source[0]) == rank_of(source[tile.rows - 1])) {
      // A feature that does not vary: its list may be that of a node above, with other rows.
      const bool missing = rank_of(source[0]) == kMissingRank<Entry>;
      for (std::size_t i = 0; i < tile.rows; ++i) {
        list[i] = make_entry<NarrowEntry>(missing ? kMissingRank<NarrowEntry> : 0,
                                          static_cast<std::uint32_t>(i));
      }
      continue;
    }
    std::uint64_t rank = 0;
    for (std::size_t i = 0; i < tile.rows; ++i) {
      if (i != 0 && rank_of(source[i]) != rank_of(source[i - 1])) ++rank;
      const bool missing = rank_of(source[i]) == kMissingRank<Entry>;
      list[i] = make_entry<NarrowEntry>(missing ? kMissingRank<NarrowEntry> : rank,
                                        local_of[row_of(source[i])]);
    }
  }
}

template struct Tile<NarrowEntry>;
template struct Tile<WideEntry>;
template void fill_tile<NarrowEntry>(Tile<NarrowEntry>&, const RankedMatrix&,
                                     std::span<const std::uint32_t>, std::span<const double>,
                                     std::span<const double>, double, std::vector<std::uint32_t>&);
template void fill_tile<WideEntry>(Tile<WideEntry>&, const RankedMatrix&,
                                   std::span<const std::uint32_t>, std::span<const double>,
                                   std::span<const double>, double, std::vector<std::uint32_t>&);
template void fill_tile<NarrowEntry>(Tile<NarrowEntry>&, const Tile<NarrowEntry>&, std::size_t,
                                     std::size_t, std::span<std::uint32_t>);
template void fill_tile<WideEntry>(Tile<NarrowEntry>&, const Tile<WideEntry>&, std::size_t,
                                   std::size_t, std::span<std::uint32_t>);

}  // namespace mutirao::models::internal
