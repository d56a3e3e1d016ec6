#pragma once

// Passes over the values of a node's rows, eight features at once, once per instruction set. A lane
// does what a loop over its feature alone would do, so the bytes are the same on all.

#include <cstddef>
#include <cstdint>

#include "mutirao/core/instruction_set.hpp"
#include "mutirao/models/internal/row_tables.hpp"
#include "mutirao/models/internal/tree_kernels.hpp"

namespace mutirao::models::internal {

struct RowKernels {
  static constexpr std::size_t kLanes = RowValues::kLanes;

  /// Rows of a node in eight features: row rows[i] begins at values + rows[i] * stride.
  struct Block {
    const float* values;
    std::size_t stride;
    const std::uint32_t* rows;
    std::size_t n;
  };
  struct Bounds {
    float least[kLanes];  ///< of the values that are present; beyond `most` where none is
    float most[kLanes];
    std::uint32_t missing[kLanes];  ///< how many rows have none
  };
  struct Left {
    double wy[kLanes];
    double w[kLanes];
    std::uint32_t rows[kLanes];
  };

  /// Counts of up to four classes in one number: class c has the bits from kPackedBits * c on.
  using Packed = std::uint64_t;
  static constexpr unsigned kPackedBits = 16;
  static constexpr std::size_t kPackedClasses = 64 / kPackedBits;

  void (*bounds)(const Block& block, Bounds& bounds);
  /// Sums of the rows whose value is at most thresholds[lane].
  void (*left_sums)(const Block& block, const float* thresholds, const Sums* sums, Left& left);
  /// counts[class * kLanes + lane] += weight of such rows; left.wy is not set.
  void (*left_counts)(const Block& block, const float* thresholds, const std::uint16_t* class_of,
                      const double* weights, double* counts, Left& left);
  /// counts[word * kLanes + lane] = sum of packed[i * words + word] over such rows i, for up to
  /// four words; of left only rows is set. See Note [Counts of classes are whole numbers] in
  /// class_kernels.hpp.
  void (*left_packed)(const Block& block, const float* thresholds, const Packed* packed,
                      std::size_t words, Packed* counts, Left& left);
};

const RowKernels& row_kernels(core::InstructionSet set);

}  // namespace mutirao::models::internal
