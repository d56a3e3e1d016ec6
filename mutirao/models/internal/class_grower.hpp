#pragma once

// Grows a tree of classes, or a part of one, on sorted lists that are carried down, as
// Note [Sorted lists are carried down] in tree_grower.hpp has it. Counts of classes are kept per
// open node: those of one child are taken off its parent's; see
// Note [Counts of classes are whole numbers] in class_kernels.hpp.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "mutirao/models/internal/class_kernels.hpp"
#include "mutirao/models/internal/class_targets.hpp"
#include "mutirao/models/internal/growth.hpp"
#include "mutirao/models/internal/tree_tile.hpp"

namespace mutirao::models::internal {

/// Memory that is used again for the next tree.
struct ClassRoom {
  std::vector<ClassCode> codes;  // per row of the tile, and one more
  std::vector<NarrowEntry> entries;
};

class ClassGrower {
 public:
  /// Whether a tree can be grown so.
  static bool possible(const Growth& growth) noexcept;

  /// Leaves are made by `targets`.
  ClassGrower(const Growth& growth, Tile<NarrowEntry>& tile, ClassRoom& room,
              std::vector<GrownNode>& nodes, ClassTargets& targets);

  /// Grows below a node that consists of all rows of the tile.
  void grow(const OpenNode& top);

 private:
  struct Open {
    OpenNode node;
    ClassCounts counts;
  };

  bool constant(std::size_t feature, const OpenNode& node) const noexcept;
  ClassCounts count(const NarrowEntry* entries, std::size_t n) const noexcept;
  ClassCut best_cut(std::size_t feature, const Open& open) const noexcept;
  /// The feature and its cut; left is 0 when there is none.
  std::pair<std::size_t, ClassCut> best_split(const Open& open);
  void apply(const Open& open, std::size_t feature, ClassCut cut);
  void put(const OpenNode& node, const ClassCounts& counts, bool is_open);
  bool is_open(const OpenNode& node, const ClassCounts& counts) const noexcept;
  void partition_others(std::size_t but, const OpenNode& node);

  const Growth& growth_;
  Tile<NarrowEntry>& tile_;
  ClassRoom& room_;
  std::vector<GrownNode>& nodes_;
  ClassTargets& targets_;
  const ClassKernels& class_kernels_;
  const TreeKernels<NarrowEntry>& tree_kernels_;
  CutLimits cut_limits_;
  FeatureDraw draw_;
  std::vector<Open> open_;
  std::vector<ClassCut> class_cuts_;  // per feature that is looked at
  std::vector<Cut> cuts_;
  std::vector<std::uint32_t> equals_;
  std::vector<NarrowEntry*> lists_;
};

}  // namespace mutirao::models::internal
