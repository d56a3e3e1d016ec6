#pragma once

// Sorts the rows of a node by a feature.
//
// Note [Nodes are sorted where few features are looked at]: carrying the sorted list of every
// feature down costs a pass over all of them per level of the tree. A node that looks at a few
// only sorts these: its ranks in them, packed with the row's position in the node into one integer,
// by radix, or, when there are few, by counting for each how many are smaller: no branch is
// mispredicted then. Equal ranks stay in the order of the rows, so the
// list is the one that would have been carried down.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "mutirao/models/internal/row_tables.hpp"
#include "mutirao/models/internal/tree_kernels.hpp"

namespace mutirao::models::internal {

/// Ranks of the rows of a node in one feature.
struct NodeRanks {
  std::uint32_t least = RowRanks::kMissing;  ///< of those that are present
  std::uint32_t most = 0;
  std::size_t missing = 0;

  /// Behind the n ranks, the first one is repeated up to a multiple of kLanes.
  static constexpr std::size_t kLanes = 4;

  NodeRanks(const std::uint32_t* ranks, std::size_t n) noexcept {
    // Which ranks are smaller than those before cannot be foretold: no branches.
    using Lanes __attribute__((vector_size(kLanes * sizeof(std::uint32_t)))) = std::uint32_t;
    using Signed __attribute__((vector_size(kLanes * sizeof(std::int32_t)))) = std::int32_t;
    Lanes smallest = Lanes{} + RowRanks::kMissing;
    Signed largest = {};
    Signed none = {};
    for (std::size_t i = 0; i < n; i += kLanes) {
      Lanes here;
      std::memcpy(&here, ranks + i, sizeof here);
      const auto as_signed = reinterpret_cast<Signed>(here);  // a missing one is -1
      smallest = here < smallest ? here : smallest;
      largest = as_signed > largest ? as_signed : largest;
      none -= as_signed == -1;
    }
    for (std::size_t l = 0; l < kLanes; ++l) {
      least = std::min(least, smallest[l]);
      most = std::max(most, static_cast<std::uint32_t>(largest[l]));
      missing += static_cast<std::size_t>(none[l]);
    }
    if (ranks[0] == RowRanks::kMissing) missing -= (kLanes - n % kLanes) % kLanes;
  }
  /// Whether nothing can be split by it.
  bool constant(std::size_t n) const noexcept {
    return missing == n || (missing == 0 && least == most);
  }
};

class RankSorter {
 public:
  /// list[0, n): entries in the order of the feature: how many values lie below, position; missing
  /// ones last, with kMissingRank. Requires: n <= kMissingRank<Entry>.
  template <class Entry>
  void sort(const std::uint32_t* ranks, std::size_t n, const NodeRanks& found, Entry* list) {
    const std::uint32_t span = found.missing == n ? 0 : found.most - found.least + 1;
    const auto value_bits = static_cast<unsigned>(std::bit_width(span));
    const auto position_bits = static_cast<unsigned>(std::bit_width(n - 1));
    if (n <= kCompared && value_bits + position_bits < 32) {
      compare(ranks, n, found.least, span, position_bits, list);
    } else if (n <= kInsertion) {
      insert(ranks, n, found.least, span, list);
    } else if (value_bits + position_bits <= 32) {
      radix<std::uint32_t>(ranks, n, found.least, span, position_bits, narrow_, list);
    } else {
      radix<std::uint64_t>(ranks, n, found.least, span, position_bits, wide_, list);
    }
  }

 private:
  static constexpr std::size_t kInsertion = 20;
  static constexpr std::size_t kCompared = 48;
  static constexpr unsigned kMostDigitBits = 11;

  template <class Key>
  struct Room {
    std::vector<Key> from;
    std::vector<Key> to;
  };

  /// From sorted keys to the entries of a list.
  template <class Key, class Entry>
  static void write(const Key* keys, std::size_t n, unsigned position_bits, std::uint32_t span,
                    Entry* list) noexcept {
    const Key positions = (Key{1} << position_bits) - 1;
    Entry below = 0;
    Key before = keys[0] >> position_bits;
    for (std::size_t i = 0; i < n; ++i) {
      const Key value = keys[i] >> position_bits;
      below = static_cast<Entry>(below + (value != before ? 1 : 0));
      before = value;
      const Entry rank = value == span ? kMissingRank<Entry> : below;
      list[i] =
          static_cast<Entry>(rank << kRankShift<Entry> | static_cast<Entry>(keys[i] & positions));
    }
  }

  template <class Entry>
  static void compare(const std::uint32_t* ranks, std::size_t n, std::uint32_t least,
                      std::uint32_t span, unsigned position_bits, Entry* list) noexcept {
    constexpr std::size_t kLanes = 4;
    using Lanes __attribute__((vector_size(kLanes * sizeof(std::int32_t)))) = std::int32_t;
    // Keys stay below 2^31, so that signed comparisons, the cheaper ones, will do.
    alignas(Lanes) std::array<std::int32_t, kCompared> keys;
    std::array<std::uint32_t, kCompared> sorted;
    const std::size_t vectors = (n + kLanes - 1) / kLanes;
    for (std::size_t i = 0; i < n; ++i) {
      keys[i] = static_cast<std::int32_t>(std::min(ranks[i] - least, span) << position_bits |
                                          static_cast<std::uint32_t>(i));
    }
    for (std::size_t i = n; i < vectors * kLanes; ++i)
      keys[i] = std::numeric_limits<std::int32_t>::max();
    for (std::size_t i = 0; i < n; ++i) {
      const Lanes key = Lanes{} + keys[i];
      Lanes smaller = {};
      for (std::size_t v = 0; v < vectors; ++v) {
        Lanes others;
        std::memcpy(&others, keys.data() + v * kLanes, sizeof others);
        smaller -= others < key;
      }
      const auto at =
          static_cast<std::size_t>((smaller[0] + smaller[1]) + (smaller[2] + smaller[3]));
      sorted[at] = static_cast<std::uint32_t>(keys[i]);
    }
    write(sorted.data(), n, position_bits, span, list);
  }

  template <class Entry>
  static void insert(const std::uint32_t* ranks, std::size_t n, std::uint32_t least,
                     std::uint32_t span, Entry* list) noexcept {
    constexpr unsigned kPositionBits = 32;
    std::array<std::uint64_t, kInsertion> keys;
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t key =
          std::uint64_t{std::min(ranks[i] - least, span)} << kPositionBits | i;
      std::size_t at = i;
      for (; at != 0 && keys[at - 1] > key; --at) keys[at] = keys[at - 1];
      keys[at] = key;
    }
    write(keys.data(), n, kPositionBits, span, list);
  }

  template <class Key, class Entry>
  void radix(const std::uint32_t* ranks, std::size_t n, std::uint32_t least, std::uint32_t span,
             unsigned position_bits, Room<Key>& room, Entry* list) {
    const auto value_bits = static_cast<unsigned>(std::bit_width(span));
    // Small nodes have small digits: clearing the counts must not cost more than the rows.
    const unsigned most = n < 256 ? 6 : n < 2048 ? 8 : kMostDigitBits;
    const unsigned passes = std::max(1U, (value_bits + most - 1) / most);
    const unsigned digit_bits = (value_bits + passes - 1) / passes;
    const std::size_t digits = std::size_t{1} << digit_bits;
    const Key mask = static_cast<Key>(digits - 1);
    counts_.assign(passes << digit_bits, 0);
    room.from.resize(std::max(room.from.size(), n));
    room.to.resize(std::max(room.to.size(), n));
    Key* from = room.from.data();
    Key* to = room.to.data();
    for (std::size_t i = 0; i < n; ++i) {
      Key value = std::min(ranks[i] - least, span);
      from[i] = value << position_bits | static_cast<Key>(i);
      for (unsigned pass = 0; pass < passes; ++pass, value >>= digit_bits)
        ++counts_[(pass << digit_bits) + (value & mask)];
    }
    for (unsigned pass = 0; pass < passes; ++pass) {
      std::uint32_t* count = counts_.data() + (std::size_t{pass} << digit_bits);
      const unsigned shift = position_bits + pass * digit_bits;
      if (count[from[0] >> shift & mask] == n) continue;
      std::uint32_t first = 0;
      for (std::size_t digit = 0; digit < digits; ++digit) {
        const std::uint32_t of_digit = count[digit];
        count[digit] = first;
        first += of_digit;
      }
      for (std::size_t i = 0; i < n; ++i) to[count[from[i] >> shift & mask]++] = from[i];
      std::swap(from, to);
    }
    write(from, n, position_bits, span, list);
  }

  std::vector<std::uint32_t> counts_;
  Room<std::uint32_t> narrow_;
  Room<std::uint64_t> wide_;
};

}  // namespace mutirao::models::internal
