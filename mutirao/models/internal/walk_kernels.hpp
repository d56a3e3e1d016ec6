#pragma once

// Walks through trees, many at once, once per instruction set. models/tree_nodes.hpp draws the
// words.

#include <cstddef>
#include <cstdint>

#include "mutirao/core/instruction_set.hpp"
#include "mutirao/models/internal/node_blocks.hpp"

namespace mutirao::models::internal {

// Note [Walks in lists]
// A walk waits for memory at nearly every step: the nodes of a deep tree fill the second cache and
// more. So walks stand in a list, all of which take a step in turn: each writes down where it goes,
// asks for that word to be fetched, and is looked at again only when all others have had their
// turn. Whoever came to a leaf is left out of the list by not counting it: nothing is decided by a
// branch, which would be mispredicted once per walk.

/// Walks of a list: what they have asked for stays in the first cache until their turn.
inline constexpr std::size_t kListed = 256;

/// Of rows that are walked through blocks: as many numbers as are compared at once.
inline constexpr unsigned kLeastRowBits = 3;

struct WalkKernels {
  /// sum[i] += the leaf that row i comes to, for i < count. words[0] is the root, an inner node of
  /// a tree of less than 2^32 words. Row i begins at rows + (i << feature_bits).
  void (*add_leaves)(const std::uint64_t* words, const float* rows, unsigned feature_bits,
                     std::size_t count, double* sum);
  /// leaf[i] = the word of the leaf that row i comes to; else as above.
  void (*find_leaves)(const std::uint64_t* words, const float* rows, unsigned feature_bits,
                      std::size_t count, std::uint64_t* leaf);
  /// leaf[i] = the word of the leaf that one row comes to in tree i, for i < count. Its root is
  /// words[roots[i]], an inner node.
  void (*find_leaves_of_row)(const std::uint64_t* words, const std::uint32_t* roots,
                             const float* row, unsigned feature_bits, std::size_t count,
                             std::uint64_t* leaf);
  /// The first two in blocks. Row i begins at rows + (i << row_bits); row_bits is at least
  /// kLeastRowBits. `missing`: whether there is NaN in the rows.
  void (*add_blocked_leaves)(const BlockedTree& tree, const float* rows, unsigned row_bits,
                             bool missing, std::size_t count, double* sum);
  void (*find_blocked_leaves)(const BlockedTree& tree, const float* rows, unsigned row_bits,
                              bool missing, std::size_t count, std::uint64_t* leaf);
};

const WalkKernels& walk_kernels(core::InstructionSet set);

}  // namespace mutirao::models::internal
