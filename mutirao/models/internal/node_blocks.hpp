#pragma once

// Trees laid out for the prediction of many rows.
//
// Note [Seven nodes to a line]
// A walk through words (models/tree_nodes.hpp) touches a cache line at nearly every step. Here the
// nodes of three levels share one: a block has seven nodes in heap order (0; 1, 2; 3 to 6) and
// eight exits. All seven are compared at once, and a table tells the exit from the seven results,
// so a walk takes a third of the steps. Where the tree is less deep, a node that sends everything
// left leads on to the leaf. Blocks are made of the words when so many rows are predicted that it
// pays; they hold the same thresholds, so that leaves are the same.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace mutirao::models::internal {

struct alignas(64) NodeBlock {
  float threshold[8];          // one of each node, and infinity
  std::uint16_t feature[8];    // one of each node, and 0
  std::uint32_t first[2];      // where the block, the leaf begins that the first exit of its kind
                               // leads to, counted in words of eight bytes
  std::uint8_t exits[2];       // which exits lead to a block, which to a leaf
  std::uint8_t missing_right;  // per node
};
static_assert(sizeof(NodeBlock) == 64);

/// Features that blocks are made for: more are not compared at once, and walks through words are as
/// soon.
inline constexpr unsigned kMostBlockFeatureBits = 5;

/// A tree that is no single leaf; its root is in the first block. Behind the blocks come the words
/// of the leaves, eight to a line.
struct BlockedTree {
  std::vector<NodeBlock> lines;
};

/// `words`: a well-formed tree that is no single leaf, of less than 2^32 words.
BlockedTree make_blocks(std::span<const std::uint64_t> words, unsigned feature_bits);

/// The blocks of a forest, made at most once.
struct BlockedForest {
  std::once_flag made;
  std::atomic<std::size_t> rows_asked = 0;  // that were predicted, and will be
  std::vector<BlockedTree> trees;           // empty where a tree is a single leaf
};

}  // namespace mutirao::models::internal
