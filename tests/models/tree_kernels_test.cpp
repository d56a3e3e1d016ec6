// The inner loops of trees on every instruction set, against a plain reference on random input.

#include "mutirao/models/internal/tree_kernels.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "instruction_sets.hpp"
#include "mutirao/core/random.hpp"
#include "mutirao/models/internal/tree_grower.hpp"
#include "mutirao/models/ranked_matrix.hpp"
#include "reference.hpp"

namespace mutirao::models::internal {
namespace {

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

/// As many lists as there are features, over the rows of one node.
template <class Entry>
struct Lists {
  std::vector<std::vector<Entry>> entries;
  List<Entry> first;
};

template <class Entry>
Lists<Entry> random_lists(std::size_t n_lists, std::size_t n, bool plain,
                          core::RandomStream& stream) {
  Lists<Entry> lists{.entries = {}, .first = random_list<Entry>(n, plain, stream)};
  std::vector<Entry> rows;
  for (const Entry entry : lists.first.entries) rows.push_back(static_cast<Entry>(row_of(entry)));
  for (std::size_t l = 0; l < n_lists; ++l) {
    for (std::size_t i = rows.size(); i-- > 1;) std::swap(rows[i], rows[stream.below(i + 1)]);
    const std::uint64_t ties = 1 + stream.below(4);
    std::vector<Entry> entries;
    Entry rank = 0;
    for (const Entry row : rows) {
      if (!entries.empty() && stream.below(ties) == 0) ++rank;
      entries.push_back(static_cast<Entry>(rank << kRankShift<Entry> | row));
    }
    lists.entries.push_back(std::move(entries));
  }
  return lists;
}

template <class Entry>
void compare_best_cuts() {
  core::RandomStream stream({sizeof(Entry), 3});
  for (int round = 0; round < 2000; ++round) {
    const std::size_t n = 1 + stream.below(round % 10 == 0 ? 500 : 24);
    const std::size_t n_lists = 1 + stream.below(20);
    Lists<Entry> lists = random_lists<Entry>(n_lists, n, stream.below(2) == 0, stream);
    const Sums total = lists.first.total;
    const CutLimits limits{.min_rows = 1 + stream.below(4),
                           .min_weight = static_cast<double>(stream.below(3))};
    std::vector<Entry*> begin;
    for (auto& entries : lists.entries) {
      entries.resize(n + kReadBeyond);
      begin.push_back(entries.data());
    }
    std::vector<Cut> first;
    for (const core::InstructionSet set : instruction_sets()) {
      std::vector<Cut> cuts(n_lists);
      tree_kernels<Entry>(set).best_cuts(begin.data(), n_lists, n, lists.first.sums.data(), total,
                                         limits, cuts.data());
      for (std::size_t l = 0; l < n_lists; ++l) {
        const List<Entry> list{
            .entries = {begin[l], begin[l] + n}, .sums = lists.first.sums, .total = total};
        const std::vector<double> expected = scores(list, total, {}, 0, limits);
        const double best = *std::max_element(expected.begin(), expected.end());
        const Cut& cut = cuts[l];
        if (cut.left == 0) {
          // Only a cut that gains nothing may be taken for none.
          EXPECT_LT(best, 1e-9) << n;
        } else {
          EXPECT_NEAR(cut.score, best, 1e-9 * (1.0 + best)) << n;
          EXPECT_NEAR(expected[cut.left], best, 1e-9 * (1.0 + best)) << n;
          Sums left;
          for (std::size_t i = 0; i < cut.left; ++i) {
            left.wy += list.sums[row_of(list.entries[i])].wy;
            left.w += list.sums[row_of(list.entries[i])].w;
          }
          EXPECT_EQ(cut.left_total.wy, left.wy);
          EXPECT_EQ(cut.left_total.w, left.w);
        }
        // The same bytes on all of them, and beside whatever lists.
        if (set == core::InstructionSet::kBaseline) continue;
        EXPECT_EQ(cut.score, first[l].score) << name_of(set);
        EXPECT_EQ(cut.left, first[l].left) << name_of(set);
      }
      if (set == core::InstructionSet::kBaseline) first = cuts;
      Cut alone;
      tree_kernels<Entry>(set).best_cuts(&begin[n_lists - 1], 1, n, lists.first.sums.data(), total,
                                         limits, &alone);
      EXPECT_EQ(alone.score, cuts.back().score) << name_of(set);
      EXPECT_EQ(alone.left, cuts.back().left) << name_of(set);
    }
  }
}

TEST(TreeKernels, FindTheBestCutsOfSeveralListsAtOnce) {
  compare_best_cuts<NarrowEntry>();
  compare_best_cuts<WideEntry>();
}

template <class Entry>
void compare_partition() {
  core::RandomStream stream({sizeof(Entry), 2});
  for (int round = 0; round < 2000; ++round) {
    const std::size_t n = 1 + stream.below(round % 10 == 0 ? 500 : 40);
    const std::size_t n_lists = 1 + stream.below(5);
    const Lists<Entry> lists = random_lists<Entry>(n_lists, n, true, stream);
    std::vector<std::uint8_t> left(n + 7);
    for (std::uint8_t& side : left) side = static_cast<std::uint8_t>(stream.below(2));
    for (const core::InstructionSet set : instruction_sets()) {
      // What lies behind a list is another node's.
      std::vector<std::vector<Entry>> seen = lists.entries;
      std::vector<Entry*> begin;
      for (auto& entries : seen) {
        entries.insert(entries.end(), 20, Entry{12345});
        begin.push_back(entries.data());
      }
      std::vector<Entry> room(n);
      tree_kernels<Entry>(set).partition(begin.data(), n_lists, n, left.data(), room.data());
      for (std::size_t l = 0; l < n_lists; ++l) {
        std::vector<Entry> expected = lists.entries[l];
        std::stable_partition(expected.begin(), expected.end(),
                              [&](Entry entry) { return left[row_of(entry)] != 0; });
        expected.insert(expected.end(), 20, Entry{12345});
        ASSERT_EQ(seen[l], expected) << name_of(set);
      }
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
