#pragma once

// The best of all thresholds of the features that a node looks at, by sums of targets; see
// Note [Nodes are sorted where few features are looked at] in rank_sorter.hpp.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mutirao/models/internal/rank_search.hpp"
#include "mutirao/models/internal/sum_targets.hpp"

namespace mutirao::models::internal {

class SortedSumSearch : public RankSearch<SumTargets> {
 public:
  SortedSumSearch(const Growth& growth, const RowRanks& ranks, SumTargets& targets)
      : RankSearch(growth, ranks, targets),
        cut_limits_{.min_rows = growth.limits.min_samples_leaf, .min_weight = growth.min_weight} {}

  Sums total() const noexcept { return targets_.total(); }
  RowSplit best(const std::uint32_t* rows, std::size_t n, NodeStream& stream) {
    return n < kMissingRank<NarrowEntry> ? best_of(rows, n, stream, narrow_)
                                         : best_of(rows, n, stream, wide_);
  }

 private:
  template <class Entry>
  struct Lists {
    std::vector<Entry> entries;
    std::vector<Entry*> list;  // per feature that is looked at
  };

  template <class Entry>
  RowSplit best_of(const std::uint32_t* rows, std::size_t n, NodeStream& stream,
                   Lists<Entry>& lists) {
    const TreeKernels<Entry>& kernels = tree_kernels<Entry>(growth_.task.instruction_set);
    const std::size_t stride = n + kReadBeyond;
    const std::size_t most = std::min(growth_.limits.max_features, ranks_.features());
    if (lists.entries.size() < most * stride) lists.entries.resize(most * stride);
    lists.list.clear();
    draw_.choose(growth_.limits.max_features, stream, [&](std::size_t j) {
      const std::uint32_t* ranks = gather(rows, n, j);
      const NodeRanks found(ranks, n);
      if (found.constant(n)) return true;
      Entry* list = lists.entries.data() + lists.list.size() * stride;
      sorter_.sort(ranks, n, found, list);
      lists.list.push_back(list);
      return false;
    });
    const std::vector<std::uint32_t>& chosen = draw_.chosen();
    if (chosen.empty()) return {};
    const Sums total = targets_.total();
    const Sums* sums = targets_.sums();
    cuts_.resize(chosen.size());
    kernels.best_cuts(lists.list.data(), chosen.size(), n, sums, total, cut_limits_, cuts_.data());
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const Entry* list = lists.list[i];
      std::size_t present = n;
      Sums missing;
      for (; rank_of(list[present - 1]) == kMissingRank<Entry>; --present) {
        missing.wy += sums[row_of(list[present - 1])].wy;
        missing.w += sums[row_of(list[present - 1])].w;
      }
      if (present == n) continue;
      const Cut left = kernels.best_cut(list, present, sums, total, missing, n - present,
                                        cut_limits_, cuts_[i].score);
      if (left.left == 0) continue;
      cuts_[i] = left;
      cuts_[i].missing_left = true;
    }
    const std::size_t best = draw_best(cuts_, stream, equals_);
    if (best == cuts_.size() || cuts_[best].left == 0) return {};
    const Entry* list = lists.list[best];
    const Cut& cut = cuts_[best];
    const std::uint32_t below = rows[row_of(list[cut.left - 1])];
    std::uint32_t rank = 0;
    ranks_.gather(&below, 1, chosen[best], &rank);
    return {.score = cut.score,
            .feature = chosen[best],
            .missing_left = cut.missing_left,
            .has_missing = rank_of(list[n - 1]) == kMissingRank<Entry>,
            .rank = rank,
            .below = below,
            .above = rank_of(list[cut.left]) == kMissingRank<Entry> ? kMissingAbove
                                                                    : rows[row_of(list[cut.left])]};
  }

  CutLimits cut_limits_;
  Lists<NarrowEntry> narrow_;
  Lists<WideEntry> wide_;
};

}  // namespace mutirao::models::internal
