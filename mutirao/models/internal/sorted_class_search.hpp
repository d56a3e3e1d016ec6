#pragma once

// The best of all thresholds of the features that a node looks at, by counts of classes; see
// Note [Nodes are sorted where few features are looked at] in rank_sorter.hpp.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mutirao/models/internal/class_targets.hpp"
#include "mutirao/models/internal/rank_search.hpp"
#include "mutirao/models/internal/whole_class_counts.hpp"

namespace mutirao::models::internal {

/// Classes by their counts, which move from the right side to the left one as a list is scanned.
class SortedClassSearch : public RankSearch<ClassTargets> {
 public:
  SortedClassSearch(const Growth& growth, const RowRanks& ranks, ClassTargets& targets)
      : RankSearch(growth, ranks, targets),
        whole_counts_(growth.task.instruction_set),
        whole_(growth.limits.min_samples_leaf == 1 && targets.whole()) {}

  RowSplit best(const std::uint32_t* rows, std::size_t n, NodeStream& stream) {
    cuts_.clear();
    places_.clear();
    draw_.choose(growth_.limits.max_features, stream, [&](std::size_t j) {
      const std::uint32_t* ranks = gather(rows, n, j);
      const NodeRanks found(ranks, n);
      if (found.constant(n)) return true;
      if (whole_ && WholeClassCounts::worth(found, n, targets_.classes())) {
        const ClassCut cut = whole_counts_.best(ranks, n, found, targets_, growth_.min_weight);
        add({.score = cut.score(targets_.counts()),
             .left = cut.left,
             .left_total = {},
             .missing_left = cut.missing_left},
            found.least + static_cast<std::uint32_t>(cut.left) - 1, found);
        return false;
      }
      Best best;
      if (worth_counting(found, n)) {
        count(ranks, n, found, best);
      } else if (n < kMissingRank<NarrowEntry>) {
        sort_and_scan(ranks, n, found, narrow_, best);
      } else {
        sort_and_scan(ranks, n, found, wide_, best);
      }
      add({.score =
               best.left_rows == 0 ? -1.0 : targets_.score(best.wl, best.left, best.wr, best.right),
           .left = best.left_rows,
           .left_total = {},
           .missing_left = best.missing_left},
          best.rank, found);
      return false;
    });
    const std::size_t best = draw_best(cuts_, stream, equals_);
    if (best == cuts_.size()) return {};
    RowSplit split{.score = cuts_[best].score,
                   .feature = draw_.chosen()[best],
                   .missing_left = cuts_[best].missing_left,
                   .has_missing = places_[best].has_missing,
                   .rank = places_[best].rank};
    find_neighbours(rows, n, split);
    return split;
  }

 private:
  /// The best cut so far: weights and measures of its sides.
  struct Best {
    double wl = 0.0;
    double wr = 0.0;
    double left = 0.0;
    double right = 0.0;
    double value = -1.0;        // what is compared
    std::size_t left_rows = 0;  // 0: none yet
    std::uint32_t rank = 0;
    bool missing_left = false;
  };
  struct Place {
    std::uint32_t rank = 0;
    bool has_missing = false;
  };

  void add(const Cut& cut, std::uint32_t rank, const NodeRanks& found) {
    cuts_.push_back(cut);
    places_.push_back({.rank = rank, .has_missing = found.missing != 0});
  }

  void consider(double wl, double left, double right, std::size_t left_rows, std::size_t n,
                std::uint32_t rank, bool missing_left, Best& best) const noexcept {
    const std::size_t least = growth_.limits.min_samples_leaf;
    const double wr = targets_.weight() - wl;
    if (left_rows < least || n - left_rows < least || wl < growth_.min_weight ||
        wr < growth_.min_weight || !(wl * wr > 0.0))
      return;
    const double value =
        targets_.entropy() ? left - x_log2_x(wl) + right - x_log2_x(wr) : left / wl + right / wr;
    if (best.left_rows != 0 && !(value > best.value)) return;
    best = {.wl = wl,
            .wr = wr,
            .left = left,
            .right = right,
            .value = value,
            .left_rows = left_rows,
            .rank = rank,
            .missing_left = missing_left};
  }

  template <class Entry>
  void sort_and_scan(const std::uint32_t* ranks, std::size_t n, const NodeRanks& found,
                     std::vector<Entry>& list, Best& best) {
    if (list.size() < n) list.resize(n);
    sorter_.sort(ranks, n, found, list.data());
    for (const bool missing_left : {false, true}) {
      if (missing_left && found.missing == 0) break;
      if (targets_.entropy()) {
        scan<true>(list.data(), ranks, n, found.missing, missing_left, best);
      } else {
        scan<false>(list.data(), ranks, n, found.missing, missing_left, best);
      }
    }
  }

  template <bool kEntropy, class Entry>
  void scan(const Entry* list, const std::uint32_t* ranks, std::size_t n, std::size_t missing,
            bool missing_left, Best& best) {
    const std::size_t classes = targets_.classes();
    const std::uint16_t* class_of = targets_.class_of();
    const double* weights = targets_.weights();
    left_.assign(classes, 0.0);
    right_ = targets_.totals();
    double wl = 0.0;
    double left = 0.0;
    double right = targets_.measure();
    const auto move = [&](std::size_t row) {
      const double w = weights[row];
      double& l = left_[class_of[row]];
      double& r = right_[class_of[row]];
      if constexpr (kEntropy) {
        left += x_log2_x(l + w) - x_log2_x(l);
        right += x_log2_x(r - w) - x_log2_x(r);
      } else {
        left += w * (2.0 * l + w);
        right -= w * (2.0 * r - w);
      }
      l += w;
      r -= w;
      wl += w;
    };
    const std::size_t present = n - missing;
    if (missing_left) {
      for (std::size_t i = present; i < n; ++i) move(row_of(list[i]));
    }
    const std::size_t before = missing_left ? missing : 0;
    const std::size_t end = missing_left ? present - 1 : n - 1;
    // Cuts end with the present rows, if the missing ones are on the right.
    for (std::size_t i = 0; i < std::min(end, present); ++i) {
      move(row_of(list[i]));
      if (rank_of(list[i]) == rank_of(list[i + 1])) continue;
      consider(wl, left, right, before + i + 1, n, ranks[row_of(list[i])], missing_left, best);
    }
  }

  /// Whether the feature has so few values that counting them is less work than sorting.
  bool worth_counting(const NodeRanks& found, std::size_t n) const noexcept {
    constexpr std::size_t kMostSlots = 1024;
    if (targets_.entropy() || found.missing == n) return false;
    const std::size_t slots = found.most - found.least + 2;
    const std::size_t vectors = (targets_.classes() + kLanes - 1) / kLanes;
    return slots <= kMostSlots && slots * (4 + 8 * vectors) <= 6 * n;
  }

  static constexpr std::size_t kLanes = 8;
  using Lanes __attribute__((vector_size(kLanes * sizeof(double)))) = double;

  static double sum(const Lanes& lanes) noexcept {
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
           ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
  }

  void count(const std::uint32_t* ranks, std::size_t n, const NodeRanks& found, Best& best) {
    const std::size_t vectors = (targets_.classes() + kLanes - 1) / kLanes;
    const std::size_t stride = vectors * kLanes;
    const std::uint32_t span = found.most - found.least + 1;
    counts_.assign((span + 1) * vectors, Lanes{});
    slot_rows_.assign(span + 1, 0);
    auto* counts = reinterpret_cast<double*>(counts_.data());
    const std::uint16_t* class_of = targets_.class_of();
    const double* weights = targets_.weights();
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint32_t slot = std::min(ranks[i] - found.least, span);
      counts[slot * stride + class_of[i]] += weights[i];
      ++slot_rows_[slot];
    }
    totals_.assign(vectors, Lanes{});
    std::copy(targets_.totals().begin(), targets_.totals().end(),
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
        consider(sum(weight), sum(left), sum(right), left_rows, n, found.least + slot, missing_left,
                 best);
      }
    }
  }

  /// Rows with the values on both sides of the split.
  void find_neighbours(const std::uint32_t* rows, std::size_t n, RowSplit& split) {
    const std::uint32_t* ranks = gather(rows, n, split.feature);
    std::uint32_t above = RowRanks::kMissing;
    split.above = kMissingAbove;
    for (std::size_t i = 0; i < n; ++i) {
      if (ranks[i] == split.rank) split.below = rows[i];
      if (ranks[i] > split.rank && ranks[i] < above) {
        above = ranks[i];
        split.above = rows[i];
      }
    }
  }

  WholeClassCounts whole_counts_;
  bool whole_;                 // all weights are whole numbers, and there are few classes
  std::vector<Place> places_;  // per feature that is looked at
  std::vector<NarrowEntry> narrow_;
  std::vector<WideEntry> wide_;
  std::vector<double> left_;  // per class of the node
  std::vector<double> right_;
  std::vector<Lanes> counts_;  // slots x vectors
  std::vector<Lanes> totals_;
  std::vector<Lanes> sides_of_;
  std::vector<std::uint32_t> slot_rows_;
};

}  // namespace mutirao::models::internal
