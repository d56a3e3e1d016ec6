#pragma once

// The best of all thresholds of a feature by how many rows of each class have each of its values,
// where counts are whole numbers; see Note [Counts of classes are whole numbers].

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mutirao/models/internal/class_kernels.hpp"
#include "mutirao/models/internal/class_targets.hpp"
#include "mutirao/models/internal/rank_sorter.hpp"
#include "mutirao/models/internal/row_tables.hpp"

namespace mutirao::models::internal {

class WholeClassCounts {
 public:
  explicit WholeClassCounts(core::InstructionSet set) : kernels_(class_kernels(set)) {}

  /// Whether the feature has so few values that counting them is less work than sorting.
  static bool worth(const NodeRanks& found, std::size_t n, std::size_t classes) noexcept {
    if (found.missing == n) return false;
    const std::size_t vectors = (found.most - found.least) / ClassSlots::kLanes + 1;
    return vectors * (4 + classes) <= 2 * n + 8;
  }

  /// Of the loaded node; `left` counts values from the least one on.
  ClassCut best(const std::uint32_t* ranks, std::size_t n, const NodeRanks& found,
                const ClassTargets& targets, double min_weight) {
    const std::size_t span = found.most - found.least + 1;
    const std::size_t stride =
        (span + ClassSlots::kLanes - 1) / ClassSlots::kLanes * ClassSlots::kLanes;
    slots_.assign(stride * targets.classes(), 0);
    const ClassCode* codes = targets.codes();
    ClassCounts missing;
    if (found.missing == 0) {
      for (std::size_t i = 0; i < n; ++i) {
        const ClassCode code = codes[i];
        slots_[stride * class_of(code) + (ranks[i] - found.least)] += weight_of(code);
      }
    } else {
      for (std::size_t i = 0; i < n; ++i) {
        const ClassCode code = codes[i];
        std::uint32_t& count = ranks[i] == RowRanks::kMissing
                                   ? missing.of[class_of(code)]
                                   : slots_[stride * class_of(code) + (ranks[i] - found.least)];
        count += weight_of(code);
      }
      missing.add_up();
    }
    const ClassSlots slots{.counts = slots_.data(), .n = span, .stride = stride};
    const CutLimits limits{.min_rows = 1, .min_weight = min_weight};
    ClassCut best;
    kernels_.best_slot_cut(slots, targets.counts(), {}, limits, best);
    if (found.missing == 0) return best;
    ClassCut left{.value = best.value};
    kernels_.best_slot_cut(slots, targets.counts(), missing, limits, left);
    left.missing_left = true;
    return left.left != 0 ? left : best;
  }

 private:
  const ClassKernels& kernels_;
  std::vector<std::uint32_t> slots_;
};

}  // namespace mutirao::models::internal
