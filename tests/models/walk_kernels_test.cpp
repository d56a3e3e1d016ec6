// Walks through trees on every instruction set, against a plain walk on random input.

#include "mutirao/models/internal/walk_kernels.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "instruction_sets.hpp"
#include "mutirao/models/internal/grown_nodes.hpp"
#include "mutirao/models/tree_nodes.hpp"
#include "reference.hpp"

namespace mutirao::models::internal {
namespace {

/// A tree of random shape: `splits` times, some leaf is split.
std::vector<GrownNode> random_tree(std::size_t splits, std::size_t n_features, bool lopsided,
                                   core::RandomStream& stream) {
  std::vector<GrownNode> nodes(1);
  std::vector<std::uint32_t> leaves = {0};
  for (std::size_t i = 0; i < splits; ++i) {
    const std::size_t which = lopsided ? leaves.size() - 1 : stream.below(leaves.size());
    GrownNode& node = nodes[leaves[which]];
    node.feature = static_cast<std::uint32_t>(stream.below(n_features));
    node.threshold = static_cast<float>(test::normal(stream));
    node.missing_left = stream.below(2) == 0;
    node.left = static_cast<std::uint32_t>(nodes.size());
    node.right = node.left + 1;
    leaves[which] = node.left;
    leaves.push_back(node.right);
    nodes.resize(nodes.size() + 2);
  }
  for (GrownNode& node : nodes) node.value = test::normal(stream);
  return nodes;
}

double leaf_of(const std::vector<GrownNode>& nodes, const float* row) {
  std::size_t at = 0;
  while (!nodes[at].is_leaf()) {
    const GrownNode& node = nodes[at];
    const float value = row[node.feature];
    const bool left = std::isnan(value) ? node.missing_left : value <= node.threshold;
    at = left ? node.left : node.right;
  }
  return nodes[at].value;
}

TEST(WalkKernels, ComeToTheLeafOfAPlainWalk) {
  core::RandomStream stream({8});
  for (int round = 0; round < 400; ++round) {
    // With many features few bits are left for jumps, and some take a word of their own.
    const std::size_t n_features = round % 4 == 0 ? 300'000 : 1 + stream.below(9);
    const unsigned bits = TreeNodes::feature_bits(n_features);
    const std::size_t n_rows = 1 + stream.below(n_features > 9 ? 3 : round % 7 == 0 ? 900 : 100);
    const std::vector<GrownNode> nodes =
        random_tree(1 + stream.below(3000), n_features, round % 3 == 0, stream);
    const GrownTree tree = pack(nodes, n_features, 1.0);
    std::vector<float> rows(n_rows << bits);
    for (float& value : rows) {
      value = stream.below(8) == 0
                  ? std::numeric_limits<float>::quiet_NaN()
                  : static_cast<float>(static_cast<double>(stream.next() >> 40) / 4194304.0 - 2.0);
    }
    for (const core::InstructionSet set : instruction_sets()) {
      // What lies behind the sums is another block's.
      std::vector<double> sum(n_rows + 8, 1.0);
      walk_kernels(set).add_leaves(tree.words.data(), rows.data(), bits, n_rows, sum.data());
      for (std::size_t i = 0; i < n_rows; ++i)
        ASSERT_EQ(sum[i], 1.0 + leaf_of(nodes, rows.data() + (i << bits))) << name_of(set);
      for (std::size_t i = n_rows; i < sum.size(); ++i) ASSERT_EQ(sum[i], 1.0);
      std::vector<std::uint64_t> leaf(n_rows + 8, 1);
      walk_kernels(set).find_leaves(tree.words.data(), rows.data(), bits, n_rows, leaf.data());
      for (std::size_t i = 0; i < n_rows; ++i)
        ASSERT_EQ(std::bit_cast<double>(leaf[i]), leaf_of(nodes, rows.data() + (i << bits)));
      for (std::size_t i = n_rows; i < leaf.size(); ++i) ASSERT_EQ(leaf[i], 1u);
    }
  }
}

TEST(WalkKernels, ComeToTheSameLeafThroughBlocks) {
  core::RandomStream stream({10});
  for (int round = 0; round < 200; ++round) {
    const std::size_t most[] = {8, 16, 32, 100, 60'000};
    const std::size_t n_features = 1 + stream.below(most[round % 5]);
    const unsigned bits = TreeNodes::feature_bits(n_features);
    const unsigned row_bits = std::max(kLeastRowBits, bits);
    const std::size_t n_rows = 1 + stream.below(n_features > 100 ? 3 : 200);
    const std::vector<GrownNode> nodes =
        random_tree(1 + stream.below(2000), n_features, round % 3 == 0, stream);
    const GrownTree tree = pack(nodes, n_features, 1.0);
    const BlockedTree blocked = make_blocks(tree.words, bits);
    const bool missing = round % 2 == 0;
    std::vector<float> rows(n_rows << row_bits);
    for (float& value : rows) {
      value = missing && stream.below(8) == 0 ? std::numeric_limits<float>::quiet_NaN()
                                              : static_cast<float>(test::normal(stream));
    }
    for (const core::InstructionSet set : instruction_sets()) {
      std::vector<double> sum(n_rows + 8, 1.0);
      walk_kernels(set).add_blocked_leaves(blocked, rows.data(), row_bits, missing, n_rows,
                                           sum.data());
      std::vector<std::uint64_t> leaf(n_rows + 8, 1);
      walk_kernels(set).find_blocked_leaves(blocked, rows.data(), row_bits, missing, n_rows,
                                            leaf.data());
      for (std::size_t i = 0; i < n_rows; ++i) {
        const double expected = leaf_of(nodes, rows.data() + (i << row_bits));
        ASSERT_EQ(sum[i], 1.0 + expected) << name_of(set);
        ASSERT_EQ(std::bit_cast<double>(leaf[i]), expected) << name_of(set);
      }
      for (std::size_t i = n_rows; i < sum.size(); ++i) ASSERT_EQ(sum[i], 1.0);
      for (std::size_t i = n_rows; i < leaf.size(); ++i) ASSERT_EQ(leaf[i], 1u);
    }
  }
}

TEST(WalkKernels, TakeOneRowThroughManyTrees) {
  core::RandomStream stream({9});
  for (const std::size_t n_trees : {1, 7, 100, 255, 256, 257, 700}) {
    const std::size_t n_features = n_trees == 7 ? 300'000 : 1 + stream.below(9);
    const unsigned bits = TreeNodes::feature_bits(n_features);
    std::vector<std::vector<GrownNode>> trees;
    std::vector<std::uint64_t> words;
    std::vector<std::uint32_t> roots;
    for (std::size_t t = 0; t < n_trees; ++t) {
      trees.push_back(random_tree(1 + stream.below(200), n_features, t % 3 == 0, stream));
      roots.push_back(static_cast<std::uint32_t>(words.size()));
      const GrownTree tree = pack(trees.back(), n_features, 1.0);
      words.insert(words.end(), tree.words.begin(), tree.words.end());
    }
    std::vector<float> row(std::size_t{1} << bits);
    for (float& value : row) {
      value = stream.below(8) == 0 ? std::numeric_limits<float>::quiet_NaN()
                                   : static_cast<float>(test::normal(stream));
    }
    for (const core::InstructionSet set : instruction_sets()) {
      std::vector<std::uint64_t> leaf(n_trees + 8, 1);
      walk_kernels(set).find_leaves_of_row(words.data(), roots.data(), row.data(), bits, n_trees,
                                           leaf.data());
      for (std::size_t t = 0; t < n_trees; ++t)
        ASSERT_EQ(std::bit_cast<double>(leaf[t]), leaf_of(trees[t], row.data())) << name_of(set);
      for (std::size_t t = n_trees; t < leaf.size(); ++t) ASSERT_EQ(leaf[t], 1u);
    }
  }
}

}  // namespace
}  // namespace mutirao::models::internal
