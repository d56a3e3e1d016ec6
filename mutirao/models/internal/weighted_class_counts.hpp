#pragma once

// The best of all thresholds of a feature by the weight that each class has at each of its values:
// for weights that are no whole numbers, or more classes than whole_class_counts.hpp takes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mutirao/models/internal/class_targets.hpp"
#include "mutirao/models/internal/growth.hpp"
#include "mutirao/models/internal/impurity.hpp"
#include "mutirao/models/internal/rank_sorter.hpp"

namespace mutirao::models::internal {

/// The best cut so far of a loaded node: weights and measures of its sides.
struct WeightedClassCut {
  double wl = 0.0;
  double wr = 0.0;
  double left = 0.0;
  double right = 0.0;
  double value = -1.0;        // what is compared
  std::size_t left_rows = 0;  // 0: none yet
  std::uint32_t rank = 0;
  bool missing_left = false;

  /// Of n rows, `rows_on_left` of weight `w`; measures of both sides as ClassTargets::measure().
  void consider(double w, double left_measure, double right_measure, std::size_t rows_on_left,
                std::size_t n, std::uint32_t last_rank, bool missing_on_left,
                const ClassTargets& targets, const Growth& growth) noexcept {
    const std::size_t least = growth.limits.min_samples_leaf;
    const double rest = targets.weight() - w;
    if (rows_on_left < least || n - rows_on_left < least || w < growth.min_weight ||
        rest < growth.min_weight || !(w * rest > 0.0))
      return;
    const double found = targets.entropy()
                             ? left_measure - x_log2_x(w) + right_measure - x_log2_x(rest)
                             : left_measure / w + right_measure / rest;
    if (left_rows != 0 && !(found > value)) return;
    *this = {.wl = w,
             .wr = rest,
             .left = left_measure,
             .right = right_measure,
             .value = found,
             .left_rows = rows_on_left,
             .rank = last_rank,
             .missing_left = missing_on_left};
  }
};

class WeightedClassCounts {
 public:
  /// Whether the feature has so few values that counting them is less work than sorting.
  static bool worth(const NodeRanks& found, std::size_t n, const ClassTargets& targets) noexcept {
    constexpr std::size_t kMostSlots = 1024;
    if (targets.entropy() || found.missing == n) return false;
    const std::size_t slots = found.most - found.least + 2;
    const std::size_t vectors = (targets.classes() + kLanes - 1) / kLanes;
    return slots <= kMostSlots && slots * (4 + 8 * vectors) <= 6 * n;
  }

  /// Of the loaded node. Requires: worth().
  void find(const std::uint32_t* ranks, std::size_t n, const NodeRanks& found,
            const ClassTargets& targets, const Growth& growth, WeightedClassCut& best) {
    const std::size_t vectors = (targets.classes() + kLanes - 1) / kLanes;
    const std::size_t stride = vectors * kLanes;
    const std::uint32_t span = found.most - found.least + 1;
    counts_.assign((span + 1) * vectors, Lanes{});
    slot_rows_.assign(span + 1, 0);
    auto* counts = reinterpret_cast<double*>(counts_.data());
    const std::uint16_t* class_of = targets.class_of();
    const double* weights = targets.weights();
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint32_t slot = std::min(ranks[i] - found.least, span);
      counts[slot * stride + class_of[i]] += weights[i];
      ++slot_rows_[slot];
    }
    totals_.assign(vectors, Lanes{});
    std::copy(targets.totals().begin(), targets.totals().end(),
              reinterpret_cast<double*>(totals_.data()));
    for (const bool missing_left : {false, true}) {
      if (missing_left && found.missing == 0) break;
      sides_of_.assign(vectors, Lanes{});
      std::size_t left_rows = 0;
      if (missing_left) {
        std::copy_n(counts_.data() + span * vectors, vectors, sides_of_.data());
        left_rows = found.missing;
      }
      for (std::uint32_t slot = 0; slot < span; ++slot) {
        if (slot_rows_[slot] == 0) continue;
        left_rows += slot_rows_[slot];
        Lanes left = {};
        Lanes right = {};
        Lanes weight = {};
        for (std::size_t v = 0; v < vectors; ++v) {
          Lanes& side = sides_of_[v];
          side += counts_[slot * vectors + v];
          const Lanes rest = totals_[v] - side;
          left += side * side;
          right += rest * rest;
          weight += side;
        }
        if (left_rows == n) break;
        best.consider(sum(weight), sum(left), sum(right), left_rows, n, found.least + slot,
                      missing_left, targets, growth);
      }
    }
  }

 private:
  static constexpr std::size_t kLanes = 8;
  using Lanes __attribute__((vector_size(kLanes * sizeof(double)))) = double;

  static double sum(const Lanes& lanes) noexcept {
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
           ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
  }

  std::vector<Lanes> counts_;  // slots x vectors
  std::vector<Lanes> totals_;
  std::vector<Lanes> sides_of_;
  std::vector<std::uint32_t> slot_rows_;
};

}  // namespace mutirao::models::internal
