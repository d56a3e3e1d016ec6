#pragma once

// Walks through a tree, many rows at once, once per instruction set. models/tree_nodes.hpp draws
// the words.

#include <cstddef>
#include <cstdint>

#include "mutirao/core/instruction_set.hpp"

namespace mutirao::models::internal {

struct WalkKernels {
  /// sum[i] += the leaf that row i comes to, for i < count. words[0] is the root, an inner node.
  /// Row i begins at rows + (i << feature_bits).
  void (*add_leaves)(const std::uint64_t* words, const float* rows, unsigned feature_bits,
                     std::size_t count, double* sum);
  /// leaf[i] = the word of the leaf that row i comes to; else as above.
  void (*find_leaves)(const std::uint64_t* words, const float* rows, unsigned feature_bits,
                      std::size_t count, std::uint64_t* leaf);
};

const WalkKernels& walk_kernels(core::InstructionSet set);

}  // namespace mutirao::models::internal
