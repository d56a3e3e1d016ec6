#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mutirao/models/internal/growth.hpp"
#include "mutirao/models/internal/small_tile.hpp"

namespace mutirao::models::internal {

/// Grows below nodes of at most SmallTile::kRows rows, depth first.
/// See Note [Small nodes live in registers] in small_tile.hpp.
class SmallGrower {
 public:
  SmallGrower(const Growth& growth, std::size_t features, std::vector<GrownNode>& nodes)
      : growth_(growth),
        nodes_(nodes),
        kernels_(small_kernels(growth.task.instruction_set)),
        cut_limits_{.min_rows = growth.limits.min_samples_leaf, .min_weight = growth.min_weight},
        draw_(features) {}

  /// Grows below a node that may be split; false, and nothing done, if it is none of these.
  template <class Entry>
  bool grow(Tile<Entry>& tile, const OpenNode& root) {
    if (kernels_ == nullptr || !fill_small_tile(tile_, tile, root.first, root.last)) return false;
    OpenNode top = root;
    top.first = 0;
    top.last = tile_.rows;
    grow_below(top);
    return true;
  }

 private:
  void grow_below(const OpenNode& root);
  Split best_split(const OpenNode& node);
  void apply(const Split& split, const OpenNode& node);
  bool pure(const OpenNode& node, std::size_t feature) const noexcept;
  void leaf(const OpenNode& node, std::size_t feature);

  const Growth& growth_;
  std::vector<GrownNode>& nodes_;
  const SmallKernels* kernels_;
  CutLimits cut_limits_;
  FeatureDraw draw_;
  SmallTile tile_;
  std::vector<OpenNode> open_;
  std::vector<Cut> cuts_;  // per feature that is looked at
  std::vector<std::uint32_t> equals_;
};

}  // namespace mutirao::models::internal
