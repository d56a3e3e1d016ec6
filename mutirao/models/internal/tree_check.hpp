#pragma once

// Whether words, which may come from a file that was made to deceive, are a tree; and what it is
// like. models/tree_nodes.hpp draws the words.

#include <cstddef>
#include <cstdint>
#include <span>

namespace mutirao::models::internal {

/// Throws core::CorruptFile unless the words, less than 2^32, are one tree in depth-first order,
/// every node of which names one of the features, and none of whose leaves is above `most_of_leaf`.
void check_tree(std::span<const std::uint64_t> words, bool root_is_leaf, std::size_t n_features,
                std::uint64_t most_of_leaf);

struct TreeShape {
  std::size_t leaves = 0;
  std::size_t depth = 0;  ///< the longest walk
};

/// `words`: a tree that check_tree() lets pass.
TreeShape shape_of(std::span<const std::uint64_t> words, bool root_is_leaf, unsigned feature_bits);

}  // namespace mutirao::models::internal
