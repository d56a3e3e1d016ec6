#pragma once

// The inner loop of every reduction, once per instruction set: the same bytes on all.

#include <cstddef>

#include "mutirao/comm/data_type.hpp"
#include "mutirao/core/instruction_set.hpp"

namespace mutirao::comm::internal {

struct ReduceKernels {
  /// Combines `sources` arrays of `count` elements in their order and writes the result to
  /// `destinations` arrays. Any alignment. A destination may be a source; otherwise they do not
  /// overlap. kMean sums and divides by `divisor`, kSum ignores it.
  void (*reduce)(DataType type, Reduction reduction, std::size_t divisor,
                 const std::byte* const* sources, std::size_t source_count,
                 std::byte* const* destinations, std::size_t destination_count, std::size_t count);
};

const ReduceKernels& reduce_kernels(core::InstructionSet set);

}  // namespace mutirao::comm::internal
