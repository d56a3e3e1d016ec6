#pragma once

// Grows the upper part of a tree by counting.
//
// Note [Large nodes are counted]: in many tables most columns have few distinct values. In a node
// with many more rows than the columns have values, carrying sorted lists down is more work than it
// saves: instead every row adds its sums to the slot of its value, for all columns at once, and one
// pass over the slots finds the best cut exactly. Only one list of rows is split per node. Where a
// node has too few rows for that, the rest of its tree is grown on sorted lists. Which way a node
// is grown depends on numbers of rows and values alone. The sums are the same numbers added in
// another order, which the rule for equal scores allows for. The counts of the larger child are
// what is left of its parent's without the smaller one, if weights are whole numbers: they are
// exact, and a slot without rows must have no weight.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mutirao/models/internal/coded_rows.hpp"
#include "mutirao/models/internal/growth.hpp"
#include "mutirao/models/internal/tree_tile.hpp"

namespace mutirao::models::internal {

/// Rows and sums of a tree under growth.
struct CountedTree {
  std::vector<Sums> sums;              // per row of the tree
  std::vector<double> y;               // per row of the tree
  std::vector<std::uint16_t> slot_of;  // tree rows x features
  std::vector<std::uint32_t> rows;     // rows of the tree; a node is a range of them, increasing
  std::vector<std::uint32_t> room;
  std::vector<std::vector<Sums>> counts;  // of nodes, sums per slot
  std::vector<std::size_t> spare;         // of counts
};

class CountedGrower {
 public:
  /// Whether these limits allow it: counts of rows per side are not kept.
  static bool possible(const Growth& growth) noexcept {
    return growth.task.coded != nullptr && growth.limits.max_leaf_nodes == 0 &&
           growth.limits.min_samples_leaf == 1;
  }

  CountedGrower(const Growth& growth, CountedTree& tree, std::vector<GrownNode>& nodes);

  /// Grows from the root; the nodes that are not worth counting are left in `frontier`.
  void grow(std::vector<OpenNode>& frontier);
  /// A node of the frontier as a tile of its own, with sorted lists. `room`: scratch.
  void fill_tile(const OpenNode& node, Tile<NarrowEntry>& tile,
                 std::vector<std::uint32_t>& room) const;

 private:
  /// A cut between two slots.
  struct SlotCut {
    Cut cut;  // left is 1 when there is a cut
    std::size_t below = 0;
    std::size_t above = 0;  // may be that of missing values
  };

  /// A node that is open, and where it has been counted, if it has.
  struct OpenCounts {
    OpenNode node;
    std::size_t counts = kNotCounted;
  };
  static constexpr std::size_t kNotCounted = ~std::size_t{0};

  bool looks_at_all() const noexcept { return growth_.limits.max_features >= coded_.features(); }
  std::size_t take_counts();
  void count(const OpenNode& node, std::size_t first_feature, std::size_t last_feature,
             std::size_t counts);
  bool constant(std::size_t feature) const noexcept;
  SlotCut best_cut(std::size_t feature, const Sums& total) const noexcept;
  void consider_cuts(std::size_t feature, const Sums& total, bool missing_left,
                     SlotCut& best) const noexcept;
  bool best_split(OpenCounts& open, std::size_t& feature, SlotCut& cut);
  void apply(const OpenCounts& open, std::size_t feature, const SlotCut& cut,
             std::vector<OpenNode>& frontier);
  Sums right_of(std::size_t feature, const SlotCut& cut) const noexcept;
  bool pure(const OpenNode& node) const noexcept;
  void leaf(const OpenNode& node);
  bool put(const OpenNode& node, std::vector<OpenNode>& frontier);

  const Growth& growth_;
  const CodedRows& coded_;
  CountedTree& tree_;
  std::vector<GrownNode>& nodes_;
  FeatureDraw draw_;
  bool whole_ = true;  // all weights
  std::vector<OpenCounts> open_;
  const Sums* slots_ = nullptr;     // of the node at hand
  std::vector<SlotCut> slot_cuts_;  // per feature that is looked at
  std::vector<Cut> cuts_;
  std::vector<std::uint32_t> equals_;
};

}  // namespace mutirao::models::internal
