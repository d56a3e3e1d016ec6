// The search for the best cut by the gini impurity on every instruction set, against its
// definition.

#include "mutirao/models/internal/class_kernels.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "instruction_sets.hpp"
#include "mutirao/core/random.hpp"

namespace mutirao::models::internal {
namespace {

struct List {
  std::vector<NarrowEntry> entries;  // and what may be read beyond
  std::size_t count = 0;
  std::vector<ClassCode> codes;
  ClassCounts before;
  ClassCounts total;
};

/// A list of n rows of a tile of n + 7, with ties.
List random_list(std::size_t n, std::size_t n_classes, std::uint64_t most_weight,
                 core::RandomStream& stream) {
  List list;
  list.count = n;
  std::vector<std::uint32_t> rows(n + 7);
  std::iota(rows.begin(), rows.end(), 0U);
  for (std::size_t i = rows.size(); i-- > 1;) std::swap(rows[i], rows[stream.below(i + 1)]);
  NarrowEntry rank = 0;
  const std::uint64_t ties = 1 + stream.below(4);
  for (std::size_t i = 0; i < n; ++i) {
    if (i != 0 && stream.below(ties) == 0) ++rank;
    list.entries.push_back(rank << kRankShift<NarrowEntry> | rows[i]);
  }
  list.entries.resize(n + kReadBeyond, 0xffffffffU);
  for (std::size_t i = 0; i < n + 7; ++i) {
    // Later rows are more often of the last class, so that there is something to find.
    const std::uint64_t least = stream.below(1 + i * n_classes / (n + 7));
    const std::uint64_t of = least + stream.below(n_classes - least);
    list.codes.push_back(
        static_cast<ClassCode>((1 + stream.below(most_weight)) << kClassBits | of));
  }
  list.codes.push_back(0);
  for (std::size_t i = 0; i < n; ++i) {
    const ClassCode code = list.codes[row_of(list.entries[i])];
    list.total.of[class_of(code)] += weight_of(code);
  }
  return list;
}

/// The first of the best cuts, each from its definition.
ClassCut plain(const List& list, std::size_t before_rows, const CutLimits& limits, double floor) {
  ClassCut best{.value = floor};
  for (std::size_t left = 1; left < list.count; ++left) {
    if (rank_of(list.entries[left - 1]) == rank_of(list.entries[left])) continue;
    if (before_rows + left < limits.min_rows || list.count - left < limits.min_rows) continue;
    ClassCounts l = list.before;
    for (std::size_t i = 0; i < left; ++i) {
      const ClassCode code = list.codes[row_of(list.entries[i])];
      l.of[class_of(code)] += weight_of(code);
    }
    l.add_up();
    const ClassCounts r = list.total.without(l);
    if (l.weight < limits.min_weight || r.weight < limits.min_weight) continue;
    const double value = static_cast<double>(l.squares) / l.weight +  //
                         static_cast<double>(r.squares) / r.weight;
    if (value > best.value) best = {.value = value, .left = left};
  }
  return best;
}

TEST(ClassKernels, FindTheFirstOfTheBestCuts) {
  core::RandomStream stream({5});
  std::size_t found = 0;
  for (int round = 0; round < 600; ++round) {
    const std::size_t n = 1 + stream.below(round % 10 == 0 ? 300 : 40);
    const std::size_t n_classes = round % 3 == 0 ? 16 : 3;
    // With the largest weights the sums of squares do not fit lanes of 32 bits.
    List list = random_list(n, n_classes, round % 4 == 0 ? kMostCodedWeight : 3, stream);
    const std::size_t before_rows = round % 5 == 0 ? 1 + stream.below(9) : 0;
    for (std::size_t i = 0; i < before_rows; ++i) {
      const std::size_t c = stream.below(n_classes);
      ++list.before.of[c];
      ++list.total.of[c];
    }
    list.before.add_up();
    list.total.add_up();
    CutLimits limits;
    if (round % 7 == 0) limits.min_rows = 1 + stream.below(12);
    if (round % 6 == 0) limits.min_weight = 0.37 * static_cast<double>(stream.below(30));
    if (round % 50 == 0) limits.min_weight = list.total.weight + 0.5;
    double floor = -1.0;
    for (int again = 0; again < 2; ++again) {  // the second time nothing is better
      const ClassCut expected = plain(list, before_rows, limits, floor);
      found += expected.left != 0 ? 1 : 0;
      for (const core::InstructionSet set : instruction_sets()) {
        SCOPED_TRACE(static_cast<int>(set));
        ClassCut cut{.value = floor};
        class_kernels(set).best_cut(list.entries.data(), n, list.codes.data(), list.total,
                                    list.before, before_rows, limits, cut);
        ASSERT_EQ(cut.left, expected.left) << "round " << round;
        ASSERT_EQ(cut.value, expected.value) << "round " << round;
      }
      floor = expected.value;
    }
  }
  EXPECT_GT(found, 400u);
}

TEST(ClassKernels, FindTheSameCutsBetweenSlotsAsInAList) {
  core::RandomStream stream({6});
  for (int round = 0; round < 300; ++round) {
    const std::size_t n = 1 + stream.below(60);
    const std::size_t n_classes = round % 3 == 0 ? 16 : 4;
    List list = random_list(n, n_classes, round % 4 == 0 ? kMostCodedWeight : 3, stream);
    const std::size_t before_rows = stream.below(3);
    for (std::size_t i = 0; i < before_rows; ++i) {
      ++list.before.of[i];
      ++list.total.of[i];
    }
    list.before.add_up();
    list.total.add_up();
    // A slot per rank, and empty ones between.
    const std::size_t n_slots = 2 * rank_of(list.entries[n - 1]) + 1;
    const std::size_t stride =
        (n_slots + ClassSlots::kLanes - 1) / ClassSlots::kLanes * ClassSlots::kLanes;
    std::vector<std::uint32_t> counts(stride * kMostCodedClasses);
    for (std::size_t i = 0; i < n; ++i) {
      const ClassCode code = list.codes[row_of(list.entries[i])];
      counts[stride * class_of(code) + 2 * rank_of(list.entries[i])] += weight_of(code);
    }
    const CutLimits limits{.min_weight =
                               round % 6 == 0 ? 0.37 * static_cast<double>(stream.below(30)) : 0.0};
    const ClassCut expected = plain(list, before_rows, limits, -1.0);
    for (const core::InstructionSet set : instruction_sets()) {
      SCOPED_TRACE(static_cast<int>(set));
      ClassCut cut;
      class_kernels(set).best_slot_cut({.counts = counts.data(), .n = n_slots, .stride = stride},
                                       list.total, list.before, limits, cut);
      ASSERT_EQ(cut.value, expected.value) << "round " << round;
      ASSERT_EQ(cut.left, expected.left == 0 ? 0 : 2 * rank_of(list.entries[expected.left - 1]) + 1)
          << "round " << round;
    }
  }
}

TEST(ClassKernels, MoveTheEntriesThatGoLeft) {
  core::RandomStream stream({7});
  for (int round = 0; round < 1000; ++round) {
    const std::size_t rows = round % 4 == 0 ? 3000 : 1 + stream.below(RowMarks::kFewRows);
    const std::size_t n =
        1 + stream.below(round % 10 == 0 ? rows : std::min<std::size_t>(rows, 60));
    std::vector<std::uint32_t> words(RowMarks::words_for(rows));
    for (std::uint32_t& word : words) word = static_cast<std::uint32_t>(stream.next());
    std::vector<std::vector<NarrowEntry>> lists(1 + stream.below(4));
    for (std::vector<NarrowEntry>& list : lists) {
      for (std::size_t i = 0; i < n; ++i)
        list.push_back(static_cast<NarrowEntry>(i << kRankShift<NarrowEntry> | stream.below(rows)));
      list.insert(list.end(), 20, NarrowEntry{12345});  // of other nodes
    }
    for (const bool on_left : {true, false}) {
      const RowMarks marks{.words = words.data(), .rows = rows, .on_left = on_left};
      const auto goes_left = [&](NarrowEntry entry) {
        return (words[row_of(entry) / 32] >> row_of(entry) % 32 & 1U) == (on_left ? 1U : 0U);
      };
      for (const core::InstructionSet set : instruction_sets()) {
        SCOPED_TRACE(name_of(set));
        auto parted = lists;
        auto kept = lists;
        std::vector<NarrowEntry*> begin_parted;
        std::vector<NarrowEntry*> begin_kept;
        for (std::size_t l = 0; l < lists.size(); ++l) {
          begin_parted.push_back(parted[l].data());
          begin_kept.push_back(kept[l].data());
        }
        std::vector<NarrowEntry> room(n + kReadBeyond);
        const ClassKernels& kernels = class_kernels(set);
        kernels.partition(begin_parted.data(), lists.size(), n, marks, room.data());
        kernels.keep_left(begin_kept.data(), lists.size(), n, marks);
        for (std::size_t l = 0; l < lists.size(); ++l) {
          std::vector<NarrowEntry> expected = lists[l];
          const auto end = expected.begin() + static_cast<std::ptrdiff_t>(n);
          const auto middle = std::stable_partition(expected.begin(), end, goes_left);
          ASSERT_EQ(parted[l], expected);
          ASSERT_TRUE(std::equal(expected.begin(), middle, kept[l].begin()));
          ASSERT_TRUE(std::equal(end, expected.end(), kept[l].end() - 20));
        }
      }
    }
  }
}

}  // namespace
}  // namespace mutirao::models::internal
