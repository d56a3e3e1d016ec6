#pragma once

// The best of all thresholds of the features that a node looks at, by counts of classes; see
// Note [Nodes are sorted where few features are looked at] in rank_sorter.hpp.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mutirao/models/internal/class_targets.hpp"
#include "mutirao/models/internal/rank_search.hpp"
#include "mutirao/models/internal/weighted_class_counts.hpp"
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
      WeightedClassCut best;
      if (WeightedClassCounts::worth(found, n, targets_)) {
        weighted_counts_.find(ranks, n, found, targets_, growth_, best);
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
  struct Place {
    std::uint32_t rank = 0;
    bool has_missing = false;
  };

  void add(const Cut& cut, std::uint32_t rank, const NodeRanks& found) {
    cuts_.push_back(cut);
    places_.push_back({.rank = rank, .has_missing = found.missing != 0});
  }

  template <class Entry>
  void sort_and_scan(const std::uint32_t* ranks, std::size_t n, const NodeRanks& found,
                     std::vector<Entry>& list, WeightedClassCut& best) {
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
            bool missing_left, WeightedClassCut& best) {
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
      best.consider(wl, left, right, before + i + 1, n, ranks[row_of(list[i])], missing_left,
                    targets_, growth_);
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
  WeightedClassCounts weighted_counts_;
  bool whole_;                 // all weights are whole numbers, and there are few classes
  std::vector<Place> places_;  // per feature that is looked at
  std::vector<NarrowEntry> narrow_;
  std::vector<WideEntry> wide_;
  std::vector<double> left_;  // per class of the node
  std::vector<double> right_;
};

}  // namespace mutirao::models::internal
