#pragma once

// The search of a sorted list for its best cut by the gini impurity, and the moving of such lists,
// once per instruction set.
//
// Note [Counts of classes are whole numbers]: where every weight is a small whole number, as those
// of a bootstrap are, counts of classes and the sums of their squares are whole numbers below 2^53.
// They add up exactly in any order, so each instruction set may take its own, and the cut it finds
// is the same, bit by bit.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "mutirao/core/instruction_set.hpp"
#include "mutirao/models/internal/tree_kernels.hpp"

namespace mutirao::models::internal {

/// Class and weight of a row in one number: the weight above, the class in the lower four bits.
using ClassCode = std::uint16_t;
inline constexpr unsigned kClassBits = 4;
inline constexpr std::size_t kMostCodedClasses = std::size_t{1} << kClassBits;
inline constexpr std::uint32_t kMostCodedWeight = (1U << (16 - kClassBits)) - 1;
/// Of all rows of a tree: its square fits 52 bits.
inline constexpr std::uint32_t kMostTotalWeight = (1U << 26) - 1;

constexpr ClassCode class_code(std::size_t c, double weight) noexcept {
  return static_cast<ClassCode>(static_cast<std::uint32_t>(weight) << kClassBits |
                                static_cast<std::uint32_t>(c));
}
constexpr std::size_t class_of(ClassCode code) noexcept { return code & (kMostCodedClasses - 1); }
constexpr std::uint32_t weight_of(ClassCode code) noexcept { return code >> kClassBits; }

/// Weights of the classes in a set of rows, and what follows from them.
struct ClassCounts {
  std::array<std::uint32_t, kMostCodedClasses> of = {};
  std::uint32_t weight = 0;   ///< their sum
  std::uint64_t squares = 0;  ///< sum of their squares

  bool pure() const noexcept { return squares == std::uint64_t{weight} * weight; }
  /// Sets weight and squares.
  void add_up() noexcept {
    weight = 0;
    squares = 0;
    for (const std::uint32_t count : of) {
      weight += count;
      squares += std::uint64_t{count} * count;
    }
  }
  ClassCounts without(const ClassCounts& part) const noexcept {
    ClassCounts rest;
    for (std::size_t c = 0; c < kMostCodedClasses; ++c) rest.of[c] = of[c] - part.of[c];
    rest.add_up();
    return rest;
  }
};

/// A cut of a sorted list.
struct ClassCut {
  /// Per side, the sum of the squared counts over the weight; both added. Below 0: no cut.
  double value = -1.0;
  std::size_t left = 0;  ///< entries on the left, without missing ones that were put there before
  bool missing_left = false;

  /// Weight of a node of these counts times the fall of weight x impurity; below 0: no cut.
  double score(const ClassCounts& node) const noexcept {
    if (left == 0) return -1.0;
    return std::max(0.0, node.weight * value - static_cast<double>(node.squares));
  }
};

/// What the rows of a node have in each value of a feature: counts[c * stride + slot].
struct ClassSlots {
  /// Slots per class in memory are a multiple of this; those behind the last one are zero.
  static constexpr std::size_t kLanes = 16;

  const std::uint32_t* counts = nullptr;
  std::size_t n = 0;
  std::size_t stride = 0;
};

/// Some of the rows of a tile, a bit each. A vector register holds 512 bits, so two of them know
/// all rows of a tile of few, and moving its lists reads no other memory.
struct RowMarks {
  static constexpr std::size_t kFewRows = 1024;
  static constexpr std::size_t kWordBits = 32;

  const std::uint32_t* words = nullptr;  ///< at least kFewRows / kWordBits
  std::size_t rows = 0;
  bool on_left = true;  ///< whether they go left, or all others do

  /// Words for so many rows.
  static std::size_t words_for(std::size_t rows) noexcept {
    return std::max(rows, kFewRows) / kWordBits + 1;
  }
};

struct ClassKernels {
  /// Takes the first of the best cuts of entries[0, count) whose value is more than best.value, if
  /// there is one; a cut lies between two ranks. codes: per row of the tile, and one more. total:
  /// of the node; before: of `before_rows` rows that are on the left from the beginning. Up to
  /// kReadBeyond entries behind the last may be read.
  void (*best_cut)(const NarrowEntry* entries, std::size_t count, const ClassCode* codes,
                   const ClassCounts& total, const ClassCounts& before, std::size_t before_rows,
                   const CutLimits& limits, ClassCut& best);
  /// The same between the slots that have rows; limits.min_rows is taken as 1, `left` counts slots.
  void (*best_slot_cut)(const ClassSlots& slots, const ClassCounts& total,
                        const ClassCounts& before, const CutLimits& limits, ClassCut& best);
  /// In each list, moves the entries that go left to the front; both parts keep their order. `room`
  /// has space for count + kReadBeyond entries.
  void (*partition)(NarrowEntry* const* lists, std::size_t n_lists, std::size_t count,
                    const RowMarks& marks, NarrowEntry* room);
  /// The same, but what is behind those that go left is of no use.
  void (*keep_left)(NarrowEntry* const* lists, std::size_t n_lists, std::size_t count,
                    const RowMarks& marks);
};

const ClassKernels& class_kernels(core::InstructionSet set);

}  // namespace mutirao::models::internal
