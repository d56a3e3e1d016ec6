#pragma once

// A tree while it is grown, and how it becomes the words that TreeNodes keeps.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mutirao/exec/core_budget.hpp"
#include "mutirao/models/tree_nodes.hpp"

namespace mutirao::models::internal {

/// GrownNode::above where it is no row.
inline constexpr std::uint32_t kMissingAbove = 0xffffffffU;

struct GrownNode {
  double value = 0.0;  ///< mean target of its rows; with two classes the probability of class 1
  double gain = 0.0;   ///< fall of the sum of squares by its split; of a leaf: its sum of squares
  /// With three classes or more: below n_classes that class for certain, else n_classes + the row
  /// of its distribution in the tree's.
  std::uint32_t distribution = 0;
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
  std::vector<double> importances;    ///< per feature: fall of the mean squared error, or impurity
  std::vector<double> distributions;  ///< of three classes and more: of the leaves not of one class
  std::vector<std::uint32_t> mixed;   ///< the words of those leaves
};

/// Scales to sum 1, unless all are 0.
void normalise(std::vector<double>& importances);

/// Moves the trees into one TreeNodes; adds their importances, scaled to sum 1, to `importances`
/// (n_features numbers).
TreeNodes join_trees(std::vector<GrownTree>& trees, std::size_t n_features, std::size_t n_classes,
                     std::vector<double>& importances, exec::CoreBudget& budget,
                     std::size_t max_cores);

/// Minimal cost-complexity pruning (Breiman et al. 1984): the smallest of the subtrees that
/// minimise mean squared error (or impurity) + alpha x leaves. `weight`: of all rows of the tree.
void prune(std::vector<GrownNode>& nodes, double alpha, double weight);

/// `distributions`: rows of n_classes numbers that nodes refer to, from three classes on.
GrownTree pack(std::span<const GrownNode> nodes, std::size_t n_features, double weight,
               std::size_t n_classes = 0, std::span<const double> distributions = {});

}  // namespace mutirao::models::internal
