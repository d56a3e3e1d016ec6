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
#include "mutirao/models/internal/small_class_grower.hpp"
#include "mutirao/models/internal/tree_tile.hpp"

namespace mutirao::models::internal {

/// Memory that is used again for the next tree.
struct ClassRoom {
  std::vector<ClassCode> codes;  // per row of the tile, and one more
  std::vector<NarrowEntry> entries;
  std::vector<std::uint32_t> marks;      // none between splits
  std::vector<std::uint32_t> number_of;  // per row: its number in a part
};

class ClassGrower {
 public:
  /// Whether a tree can be grown so.
  static bool possible(const Growth& growth) noexcept;

  /// Leaves are made by `targets`; nodes of a few rows are left to `small`, and with
  /// `part`, which has a tile of its own, those of RowMarks::kFewRows to it.
  ClassGrower(const Growth& growth, Tile<NarrowEntry>& tile, ClassRoom& room,
              std::vector<GrownNode>& nodes, ClassTargets& targets,
              SmallClassGrower<SmallRankSearch>& small, ClassGrower* part);

  /// Grows below a node that consists of all rows of the tile.
  void grow(const OpenNode& top);

 private:
  struct Open {
    OpenNode node;
    ClassCounts counts;
    std::size_t list = 0;  // one whose range has the rows of the node
  };

  void grow_open();
  void grow_part(const Open& top, const Tile<NarrowEntry>& from, ClassRoom& from_room);

  bool constant(std::size_t feature, const OpenNode& node) const noexcept;
  ClassCounts count(const NarrowEntry* entries, std::size_t n) const noexcept;
  ClassCut best_cut(std::size_t feature, const Open& open) const noexcept;
  /// The feature and its cut; left is 0 when there is none.
  std::pair<std::size_t, ClassCut> best_split(const Open& open);
  void apply(const Open& open, std::size_t feature, ClassCut cut);
  bool put(const OpenNode& node, const ClassCounts& counts, const NarrowEntry* entries);
  void choose_others(std::size_t but, const OpenNode& node);
  void mark(const NarrowEntry* entries, std::size_t n, bool marked);

  const Growth& growth_;
  Tile<NarrowEntry>& tile_;
  ClassRoom& room_;
  std::vector<GrownNode>& nodes_;
  ClassTargets& targets_;
  SmallClassGrower<SmallRankSearch>& small_;
  const ClassKernels& class_kernels_;
  ClassGrower* part_;
  CutLimits cut_limits_;
  FeatureDraw draw_;
  std::vector<Open> open_;
  std::vector<ClassCut> class_cuts_;  // per feature that is looked at
  std::vector<Cut> cuts_;
  std::vector<std::uint32_t> equals_;
  std::vector<NarrowEntry*> lists_;
};

}  // namespace mutirao::models::internal
