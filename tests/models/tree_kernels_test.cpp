// The inner loops of trees on every instruction set, against a plain reference on random input.

#include "mutirao/models/internal/tree_kernels.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/random.hpp"
#include "mutirao/models/internal/tree_grower.hpp"
#include "mutirao/models/ranked_matrix.hpp"
#include "reference.hpp"

namespace mutirao::models::internal {
namespace {

/// The sets that this processor has.
std::vector<core::InstructionSet> instruction_sets() {
  std::vector<core::InstructionSet> sets = {core::InstructionSet::kBaseline};
  if (__builtin_cpu_supports("avx2")) sets.push_back(core::InstructionSet::kAvx2);
  if (__builtin_cpu_supports("avx512vbmi2")) sets.push_back(core::InstructionSet::kAvx512);
  return sets;
}

template <class Entry>
struct List {
  std::vector<Entry> entries;
  std::vector<Sums> sums;
  Sums total;
};

/// A list of n rows of a tile of n + 7, with ties, and weights unless `plain`.
template <class Entry>
List<Entry> random_list(std::size_t n, bool plain, core::RandomStream& stream) {
  List<Entry> list;
  std::vector<std::size_t> rows(n + 7);
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  for (std::size_t i = rows.size(); i-- > 1;) std::swap(rows[i], rows[stream.below(i + 1)]);
  Entry rank = 0;
  const std::uint64_t ties = 1 + stream.below(4);
  for (std::size_t i = 0; i < n; ++i) {
    if (i != 0 && stream.below(ties) == 0) ++rank;
    list.entries.push_back(
        static_cast<Entry>(rank << kRankShift<Entry> | static_cast<Entry>(rows[i])));
  }
  list.sums.resize(n + 7);
  for (Sums& sum : list.sums) {
    sum.w = plain ? 1.0 : 1.0 + static_cast<double>(stream.below(4));
    sum.wy = sum.w * test::normal(stream);
  }
  for (const Entry entry : list.entries) {
    list.total.wy += list.sums[row_of(entry)].wy;
    list.total.w += list.sums[row_of(entry)].w;
  }
  return list;
}

/// Every cut, scored from its definition: W times the fall of the squared error.
template <class Entry>
std::vector<double> scores(const List<Entry>& list, Sums total, Sums before,
                           std::size_t before_rows, const CutLimits& limits) {
  std::vector<double> all(list.entries.size(), -1.0);
  Sums left = before;
  for (std::size_t i = 0; i + 1 < list.entries.size(); ++i) {
    left.wy += list.sums[row_of(list.entries[i])].wy;
    left.w += list.sums[row_of(list.entries[i])].w;
    const double right = total.w - left.w;
    if (rank_of(list.entries[i]) == rank_of(list.entries[i + 1])) continue;
    if (before_rows + i + 1 < limits.min_rows || list.entries.size() - i - 1 < limits.min_rows)
      continue;
    if (left.w < limits.min_weight || right < limits.min_weight) continue;
    const double wyr = total.wy - left.wy;
    all[i + 1] =
        (left.wy * left.wy / left.w + wyr * wyr / right - total.wy * total.wy / total.w) * total.w;
  }
  return all;
}

template <class Entry>
void compare_best_cut() {
  core::RandomStream stream({sizeof(Entry)});
  for (int round = 0; round < 3000; ++round) {
    const std::size_t n = 1 + stream.below(round % 10 == 0 ? 500 : 24);
    const List<Entry> list = random_list<Entry>(n, stream.below(2) == 0, stream);
    Sums before;
    std::size_t before_rows = 0;
    if (stream.below(3) == 0) {
      before = {.wy = test::normal(stream), .w = 2.0};
      before_rows = 2;
    }
    const Sums total = {.wy = list.total.wy + before.wy, .w = list.total.w + before.w};
    const CutLimits limits{.min_rows = 1 + stream.below(4),
                           .min_weight = static_cast<double>(stream.below(3))};
    const std::vector<double> expected = scores(list, total, before, before_rows, limits);
    const double best = *std::max_element(expected.begin(), expected.end());
    Cut first;
    for (const core::InstructionSet set : instruction_sets()) {
      const Cut cut = tree_kernels<Entry>(set).best_cut(list.entries.data(), n, list.sums.data(),
                                                        total, before, before_rows, limits, -1.0);
      if (best < 0.0 && cut.left == 0) continue;
      ASSERT_NE(cut.left, 0u) << n;
      EXPECT_NEAR(cut.score, best, 1e-9 * (1.0 + best)) << n;
      EXPECT_NEAR(expected[cut.left], best, 1e-9 * (1.0 + best)) << n;
      if (set == core::InstructionSet::kBaseline) first = cut;
      // The same bytes on all of them.
      EXPECT_EQ(cut.score, first.score) << name_of(set);
      EXPECT_EQ(cut.left, first.left) << name_of(set);
    }
  }
}

TEST(TreeKernels, FindTheBestCut) {
  compare_best_cut<NarrowEntry>();
  compare_best_cut<WideEntry>();
}

template <class Entry>
void compare_partition() {
  core::RandomStream stream({sizeof(Entry), 2});
  for (int round = 0; round < 2000; ++round) {
    const std::size_t n = 1 + stream.below(round % 10 == 0 ? 500 : 40);
    const List<Entry> list = random_list<Entry>(n, true, stream);
    std::vector<std::uint8_t> left(n + 7 + 64);
    for (std::uint8_t& side : left) side = static_cast<std::uint8_t>(stream.below(2));
    std::vector<Entry> expected = list.entries;
    std::stable_partition(expected.begin(), expected.end(),
                          [&](Entry entry) { return left[row_of(entry)] != 0; });
    for (const core::InstructionSet set : instruction_sets()) {
      // What lies behind the list is another node's.
      std::vector<Entry> seen = list.entries;
      seen.insert(seen.end(), 20, Entry{12345});
      std::vector<Entry> room(n + 16);
      tree_kernels<Entry>(set).partition(seen.data(), n, left.data(), room.data());
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), seen.begin())) << name_of(set);
      ASSERT_EQ(std::count(seen.begin() + static_cast<std::ptrdiff_t>(n), seen.end(), 12345), 20);
    }
  }
}

TEST(TreeKernels, PartitionStably) {
  compare_partition<NarrowEntry>();
  compare_partition<WideEntry>();
}

TEST(TreeGrower, GivesTheSameBytesOnEveryInstructionSet) {
  test::Problem problem = test::friedman(20000, 6, 4);
  for (double& value : problem.x.writable_column(5)) value = std::floor(3.0 * value);
  for (std::size_t i = 0; i < 20000; i += 13)
    problem.x.writable_column(4)[i] = std::numeric_limits<double>::quiet_NaN();
  const RankedMatrix ranked(problem.x);
  std::vector<std::uint32_t> rows(20000);
  std::iota(rows.begin(), rows.end(), 0U);
  for (const std::size_t max_features : {6, 2}) {
    std::vector<std::uint64_t> first;
    for (const core::InstructionSet set : instruction_sets()) {
      TreeScratch scratch;
      const GrownTree tree = grow_tree({.x = problem.x,
                                        .ranked = &ranked,
                                        .y = problem.y,
                                        .rows = rows,
                                        .weights = {},
                                        .seed = 9,
                                        .instruction_set = set,
                                        .stop = {}},
                                       {.max_features = max_features}, scratch);
      if (first.empty()) first = tree.words;
      EXPECT_EQ(tree.words, first) << name_of(set);
    }
  }
}

}  // namespace
}  // namespace mutirao::models::internal
