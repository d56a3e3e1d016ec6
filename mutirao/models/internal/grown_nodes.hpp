#pragma once

// A tree while it is grown, and how it becomes the words that TreeNodes keeps.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mutirao::models::internal {

/// GrownNode::above where it is no row.
inline constexpr std::uint32_t kMissingAbove = 0xffffffffU;

struct GrownNode {
  double value = 0.0;  ///< mean target of its rows
  double gain = 0.0;   ///< fall of the sum of squares by its split; of a leaf: its sum of squares
  std::uint32_t below = 0;  ///< the rows of x between whose values it splits
  std::uint32_t above = 0;  ///< kMissingAbove: between the present and the missing
  float threshold = 0.0F;
  std::uint32_t feature = 0;
  std::uint32_t left = 0;  ///< 0: a leaf. Children come after their parent.
  std::uint32_t right = 0;
  bool missing_left = false;

  bool is_leaf() const noexcept { return left == 0; }
};

struct GrownTree {
  std::vector<std::uint64_t> words;  ///< as TreeNodes keeps them
  bool root_is_leaf = false;
  std::vector<double> importances;  ///< per feature: fall of the mean squared error
};

/// Minimal cost-complexity pruning (Breiman et al. 1984): the smallest of the subtrees that
/// minimise mean squared error + alpha x leaves. `weight`: of all rows of the tree.
void prune(std::vector<GrownNode>& nodes, double alpha, double weight);

GrownTree pack(std::span<const GrownNode> nodes, std::size_t n_features, double weight);

}  // namespace mutirao::models::internal
