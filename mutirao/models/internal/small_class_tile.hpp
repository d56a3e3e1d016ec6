#pragma once

// Nodes of a few rows of classes, small enough for vector registers.
//
// Note [Small nodes of classes are masks]: below a node of at most 32 rows, each row keeps its lane
// and a node is a mask of lanes, so nothing is moved when it is split. What lies left of a cut
// behind a row are the rows whose rank is not larger: each row in turn is compared with all others
// and added where it belongs, so nothing is sorted either. Weights are whole numbers of which four
// classes share a word, a byte each; they add up exactly, see
// Note [Counts of classes are whole numbers] in class_kernels.hpp, and the cut is that which a scan
// of the sorted list finds. Only AVX-512 has the instructions; elsewhere small nodes are grown as
// all others.

#include <array>
#include <cstddef>
#include <cstdint>

#include "mutirao/core/instruction_set.hpp"
#include "mutirao/models/internal/class_kernels.hpp"

namespace mutirao::models::internal {

struct SmallClassTile {
  static constexpr std::size_t kRows = 32;
  using Mask = std::uint32_t;
  /// Classes are numbered within the tile; four that follow each other share a word.
  static constexpr std::size_t kClassesPerWord = 4;
  static constexpr std::size_t kWords = kMostCodedClasses / kClassesPerWord;
  /// Of all rows together, so that bytes are enough for counts, signed ones, too.
  static constexpr std::uint32_t kMostWeight = 127;

  std::size_t rows = 0;
  std::size_t words = 0;                                     // that have classes
  std::array<std::uint32_t, kRows> row = {};                 // its number in the matrix
  alignas(64) std::array<std::uint32_t, kRows> code{};       // its weight, in the byte of its class
  std::array<Mask, kWords> of_word = {};                     // mask of the rows of these classes
  std::array<std::uint8_t, kMostCodedClasses> classes = {};  // by their numbers

  /// code_of(row): its class and weight. False, and nothing of use, if there are too many rows or
  /// they weigh too much.
  template <class CodeOf>
  bool load(const std::uint32_t* from, std::size_t n, CodeOf code_of) {
    if (n > kRows) return false;
    rows = n;
    std::array<ClassCode, kRows> codes;
    std::uint32_t seen = 0;
    std::uint32_t weight = 0;
    for (std::size_t i = 0; i < n; ++i) {
      row[i] = from[i];
      codes[i] = code_of(from[i]);
      seen |= 1U << class_of(codes[i]);
      weight += weight_of(codes[i]);
    }
    if (weight > kMostWeight) return false;
    std::array<std::uint8_t, kMostCodedClasses> number;
    std::size_t n_classes = 0;
    for (; seen != 0; seen &= seen - 1) {
      const auto c = static_cast<std::uint8_t>(__builtin_ctz(seen));
      number[c] = static_cast<std::uint8_t>(n_classes);
      classes[n_classes] = c;
      ++n_classes;
    }
    words = (n_classes + kClassesPerWord - 1) / kClassesPerWord;
    of_word = {};
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t c = number[class_of(codes[i])];
      code[i] = weight_of(codes[i]) << 8 * (c % kClassesPerWord);
      of_word[c / kClassesPerWord] |= Mask{1} << i;
    }
    return true;
  }
};

/// Some rows of a tile.
struct SmallClassNode {
  SmallClassTile::Mask mask = 0;
  std::uint32_t weight = 0;
  std::uint32_t squares = 0;  ///< sum of the squared counts
  alignas(16) std::array<std::uint8_t, kMostCodedClasses> counts = {};  ///< per number of a class

  bool pure() const noexcept { return squares == weight * weight; }
  std::size_t rows() const noexcept { return static_cast<std::size_t>(__builtin_popcount(mask)); }
};

struct SmallClassCut {
  double value = -1.0;  ///< as ClassCut::value
  SmallClassTile::Mask left =
      0;  ///< mask of the rows on the left, missing ones among them; 0: no cut
  SmallClassTile::Mask missing = 0;
  bool missing_left = false;

  double score(const SmallClassNode& node) const noexcept {
    if (left == 0) return -1.0;
    const double fall = node.weight * value - static_cast<double>(node.squares);
    return fall > 0.0 ? fall : 0.0;
  }
};

/// Rows between whose values a cut lies.
struct SmallNeighbours {
  std::size_t below = 0;
  std::size_t above = 0;
};

/// Values of a feature in some rows.
struct SmallBounds {
  float least = 0.0F;
  float most = 0.0F;
  SmallClassTile::Mask missing = 0;
};

struct SmallClassKernels {
  /// Sets counts, weight and squares of node.mask.
  void (*count)(const SmallClassTile& tile, SmallClassNode& node);
  /// The first of the best cuts between two of the node's ranks; false, and nothing set, if the
  /// feature does not vary in it. ranks: one for each of kRows, RowRanks::kMissing for missing.
  /// Requires: the node is counted.
  bool (*best_cut)(const SmallClassTile& tile, const std::uint32_t* ranks,
                   const SmallClassNode& node, double min_weight, SmallClassCut& best);
  /// One of the rows of the largest rank in `left`, and one of those of the least in `right`.
  SmallNeighbours (*neighbours)(const std::uint32_t* ranks, SmallClassTile::Mask left,
                                SmallClassTile::Mask right);
  /// Of the rows in `mask`; false, and nothing set, if the values do not vary. values: kRows, NaN
  /// for missing.
  bool (*bounds)(const float* values, SmallClassTile::Mask mask, SmallBounds& bounds);
  /// The mask of the rows in `mask` whose value is at most the threshold.
  SmallClassTile::Mask (*up_to)(const float* values, SmallClassTile::Mask mask, float threshold);
};

/// Null where small nodes are grown as all others.
const SmallClassKernels* small_class_kernels(core::InstructionSet set) noexcept;

}  // namespace mutirao::models::internal
