// Nodes of classes as masks of lanes, each kernel against its definition.

#include "mutirao/models/internal/small_class_tile.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "instruction_sets.hpp"
#include "mutirao/core/random.hpp"

namespace mutirao::models::internal {
namespace {

constexpr std::uint32_t kMissing = 0xffffffffU;
constexpr std::size_t kRows = SmallClassTile::kRows;

struct Small {
  SmallClassTile tile;
  std::vector<ClassCode> codes;  // per row
  SmallClassNode node;
};

using Mask = SmallClassTile::Mask;

Mask bit(std::size_t row) { return Mask{1} << row; }

Small random_tile(core::RandomStream& stream) {
  Small small;
  const std::size_t n = 2 + stream.below(kRows - 1);
  const std::size_t n_classes = 1 + stream.below(kMostCodedClasses);
  std::vector<std::uint32_t> rows;
  for (std::uint32_t i = 0; i < n; ++i) {
    rows.push_back(i);
    small.codes.push_back(class_code(stream.below(n_classes), n < 40 ? 1.0 + i % 3 : 1.0));
    if (i < 2 || stream.below(3) != 0) small.node.mask |= bit(i);
  }
  EXPECT_TRUE(small.tile.load(rows.data(), n, [&](std::uint32_t row) { return small.codes[row]; }));
  return small;
}

ClassCounts counts_of(const Small& small, Mask mask) {
  ClassCounts counts;
  for (std::size_t i = 0; i < small.codes.size(); ++i) {
    if ((mask & bit(i)) != 0) counts.of[class_of(small.codes[i])] += weight_of(small.codes[i]);
  }
  counts.add_up();
  return counts;
}

/// The first of the best cuts, each from its definition.
SmallClassCut plain(const Small& small, const std::vector<std::uint32_t>& ranks,
                    double min_weight) {
  SmallClassCut best;
  std::vector<std::uint32_t> sorted;
  for (std::size_t i = 0; i < small.codes.size(); ++i) {
    if ((small.node.mask & bit(i)) == 0) continue;
    if (ranks[i] == kMissing) {
      best.missing |= bit(i);
    } else {
      sorted.push_back(ranks[i]);
    }
  }
  std::sort(sorted.begin(), sorted.end());
  for (const bool missing_left : {false, true}) {
    for (const std::uint32_t rank : sorted) {
      Mask left = missing_left ? best.missing : 0;
      for (std::size_t i = 0; i < small.codes.size(); ++i) {
        if ((small.node.mask & bit(i)) != 0 && ranks[i] <= rank) left |= bit(i);
      }
      const ClassCounts l = counts_of(small, left);
      const ClassCounts r = counts_of(small, small.node.mask & ~left);
      if (r.weight == 0 || l.weight < min_weight || r.weight < min_weight) continue;
      const double value = static_cast<double>(l.squares) / l.weight +  //
                           static_cast<double>(r.squares) / r.weight;
      if (!(value > best.value)) continue;
      best.value = value;
      best.left = left;
      best.missing_left = missing_left;
    }
  }
  return best;
}

const SmallClassKernels* kernels() { return small_class_kernels(instruction_sets().back()); }

TEST(SmallClassTile, CountsTheClassesOfANode) {
  if (kernels() == nullptr) GTEST_SKIP() << "this processor grows small nodes as all others";
  core::RandomStream stream({3});
  for (int round = 0; round < 500; ++round) {
    Small small = random_tile(stream);
    kernels()->count(small.tile, small.node);
    const ClassCounts expected = counts_of(small, small.node.mask);
    ASSERT_EQ(small.node.weight, expected.weight);
    ASSERT_EQ(small.node.squares, expected.squares);
    ClassCounts seen;
    for (std::size_t c = 0; c < kMostCodedClasses; ++c) {
      if (small.node.counts[c] != 0) seen.of[small.tile.classes[c]] = small.node.counts[c];
    }
    ASSERT_EQ(seen.of, expected.of);
  }
}

TEST(SmallClassTile, FindsTheFirstOfTheBestCutsAndTheRowsBesideIt) {
  if (kernels() == nullptr) GTEST_SKIP() << "this processor grows small nodes as all others";
  core::RandomStream stream({4});
  std::size_t constant = 0;
  std::size_t with_missing = 0;
  for (int round = 0; round < 2000; ++round) {
    Small small = random_tile(stream);
    kernels()->count(small.tile, small.node);
    std::vector<std::uint32_t> ranks(kRows);
    const std::uint64_t levels = 1 + stream.below(round % 2 == 0 ? 5 : 100'000);
    for (std::uint32_t& rank : ranks) {
      rank = static_cast<std::uint32_t>(stream.below(levels));
      if (round % 3 == 0 && stream.below(4) == 0) rank = kMissing;
    }
    const double min_weight = round % 5 == 0 ? 0.7 * static_cast<double>(stream.below(20)) : 0.0;
    SmallClassCut seen;
    std::vector<std::uint32_t> in_node;
    for (std::size_t i = 0; i < small.codes.size(); ++i) {
      if ((small.node.mask & bit(i)) != 0) in_node.push_back(ranks[i]);
    }
    const bool varies = std::count(in_node.begin(), in_node.end(), in_node[0]) !=
                        static_cast<std::ptrdiff_t>(in_node.size());
    ASSERT_EQ(kernels()->best_cut(small.tile, ranks.data(), small.node, min_weight, seen), varies);
    if (!varies) {
      ++constant;
      continue;
    }
    const SmallClassCut expected = plain(small, ranks, min_weight);
    ASSERT_EQ(seen.value, expected.value) << "round " << round;
    ASSERT_EQ(seen.left, expected.left) << "round " << round;
    if (seen.left == 0) continue;
    ASSERT_EQ(seen.missing, expected.missing);
    ASSERT_EQ(seen.missing_left, expected.missing_left);
    with_missing += seen.missing != 0 ? 1 : 0;
    const Mask left = seen.left & ~seen.missing;
    const Mask right = small.node.mask & ~seen.left & ~seen.missing;
    const SmallNeighbours rows = kernels()->neighbours(ranks.data(), left, right);
    for (std::size_t i = 0; i < small.codes.size(); ++i) {
      if ((left & bit(i)) != 0) {
        ASSERT_LE(ranks[i], ranks[rows.below]);
      }
      if ((right & bit(i)) != 0) {
        ASSERT_GE(ranks[i], ranks[rows.above]);
      }
    }
    ASSERT_NE(left & bit(rows.below), 0u);
    if (right != 0) {
      ASSERT_NE(right & bit(rows.above), 0u);
    }
  }
  EXPECT_GT(constant, 20u);
  EXPECT_GT(with_missing, 200u);
}

TEST(SmallClassTile, TakesNoMoreThanBytesCount) {
  SmallClassTile tile;
  const std::vector<std::uint32_t> rows = {0, 1, 2};
  const auto of_weight = [&](double weight) {
    return tile.load(rows.data(), rows.size(),
                     [&](std::uint32_t row) { return class_code(row, row == 0 ? weight : 1.0); });
  };
  EXPECT_TRUE(of_weight(SmallClassTile::kMostWeight - 2));
  EXPECT_FALSE(of_weight(SmallClassTile::kMostWeight - 1));
}

}  // namespace
}  // namespace mutirao::models::internal
