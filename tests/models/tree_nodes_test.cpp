#include "mutirao/models/tree_nodes.hpp"

#include <bit>
#include <limits>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/random.hpp"
#include "mutirao/models/internal/grown_nodes.hpp"

namespace mutirao::models {
namespace {

using internal::GrownNode;

/// A chain: node i sends x <= i to a leaf of value i, the rest on to node i + 1, or the other way.
std::vector<GrownNode> chain(std::size_t length, bool long_left) {
  std::vector<GrownNode> nodes;
  nodes.push_back({});
  std::uint32_t at = 0;
  for (std::size_t i = 0; i < length; ++i) {
    const auto left = static_cast<std::uint32_t>(nodes.size());
    nodes.push_back({});
    nodes.push_back({});
    nodes[at].left = left;
    nodes[at].right = left + 1;
    const double threshold = long_left ? static_cast<double>(length - 1 - i) : double(i);
    nodes[at].threshold = static_cast<float>(threshold);
    nodes[long_left ? left + 1 : left].value = long_left ? threshold + 1.0 : threshold;
    at = long_left ? left : left + 1;
    nodes[at].value = long_left ? 0.0 : static_cast<double>(length);
  }
  return nodes;
}

class JumpWidth : public testing::TestWithParam<std::size_t> {};

TEST_P(JumpWidth, DoesNotChangePredictions) {
  // The more features, the fewer bits for a jump; a longer one takes a word of its own.
  const std::size_t n_features = GetParam();
  for (const bool long_left : {false, true}) {
    const internal::GrownTree grown = internal::pack(chain(700, long_left), n_features, 1.0);
    std::vector<std::vector<std::uint64_t>> words = {grown.words};
    const TreeNodes nodes(n_features, words, {false}, exec::CoreBudget::current());
    EXPECT_EQ(nodes.leaves(0), 701u);
    EXPECT_EQ(nodes.depth(0), 700u);
    const double x[] = {-5.0, 0.0, 0.5, 350.0, 699.0, 1e9};
    const data::MatrixView view{.data = x, .rows = 6, .cols = n_features, .column_stride = 0};
    std::vector<double> out(6);
    nodes.predict_mean(view, std::nullopt, out, exec::CoreBudget::current());
    EXPECT_EQ(out, (std::vector<double>{0, 0, 1, 350, 699, 700})) << long_left;
  }
}

INSTANTIATE_TEST_SUITE_P(Features, JumpWidth, testing::Values(1, 2, 1000, 300000));

TEST(TreeNodes, PredictsManyRowsAsItPredictsFew) {
  const std::size_t n_features = 3;
  std::vector<std::vector<std::uint64_t>> words;
  for (const bool long_left : {false, true})
    words.push_back(internal::pack(chain(700, long_left), n_features, 1.0).words);
  words.push_back({std::bit_cast<std::uint64_t>(3.0)});  // a single leaf
  const TreeNodes nodes(n_features, words, {false, false, true}, exec::CoreBudget::current());
  core::RandomStream stream({2});
  std::vector<double> x(3000 * n_features);
  for (double& value : x) value = 900.0 * stream.uniform() - 100.0;
  for (const bool missing : {false, true}) {
    if (missing) x[1234] = std::numeric_limits<double>::quiet_NaN();
    const data::MatrixView view{x.data(), 3000, n_features, 3000};
    std::vector<double> many(3000);
    nodes.predict_mean(view, std::nullopt, many, exec::CoreBudget::current());
    for (std::uint32_t i = 0; i < 3000; ++i) {
      double one = 0.0;
      nodes.predict_mean(view, std::vector<std::uint32_t>{i}, {&one, 1},
                         exec::CoreBudget::current());
      ASSERT_EQ(many[i], one);
    }
  }
}

TEST(TreeNodes, RefusesWordsThatAreNoTree) {
  const internal::GrownTree grown = internal::pack(chain(40, true), 3, 1.0);
  const std::vector<TreeNodes::Root> roots = {{0, 0}};
  EXPECT_NO_THROW(TreeNodes(3, grown.words, roots, nullptr));
  core::RandomStream stream({1});
  std::size_t refused = 0;
  for (int i = 0; i < 2000; ++i) {
    std::vector<std::uint64_t> words = grown.words;
    words[stream.below(words.size())] ^= std::uint64_t{1} << (32 + stream.below(32));
    if (i % 3 == 0) words.resize(stream.below(words.size()));
    try {
      const TreeNodes nodes(3, words, roots, nullptr);
      std::vector<double> x(6);
      std::vector<double> out(2);
      nodes.predict_mean({x.data(), 2, 3, 2}, std::nullopt, out, exec::CoreBudget::current());
    } catch (const core::CorruptFile&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 500u);
}

/// Trees of one split each, on three classes: x <= 0 to the left.
struct Stumps {
  std::vector<internal::GrownTree> trees;
  std::vector<double> importances = {0.0};

  /// `left` and `right` as in GrownNode::distribution, rows of `distributions`.
  void add(std::uint32_t left, std::uint32_t right, const std::vector<double>& distributions) {
    std::vector<GrownNode> nodes(3);
    nodes[0].left = 1;
    nodes[0].right = 2;
    nodes[1].distribution = left;
    nodes[2].distribution = right;
    trees.push_back(internal::pack(nodes, 1, 1.0, 3, distributions));
  }
  TreeNodes join() {
    return internal::join_trees(trees, 1, 3, importances, exec::CoreBudget::current(), 0);
  }
};

TEST(TreeNodes, GiveTheMeanOfTheDistributionsOfLeaves) {
  Stumps stumps;
  stumps.add(0, 2, {});
  stumps.add(4, 3, {0.25, 0.75, 0.0, 0.5, 0.0, 0.5});
  stumps.add(1, 3, {0.0, 0.125, 0.875});
  const TreeNodes nodes = stumps.join();
  EXPECT_EQ(nodes.distributions().size(), 9u) << "one per leaf that is not of one class";
  const double x[] = {-1.0, 1.0};
  const data::MatrixView view{.data = x, .rows = 2, .cols = 1, .column_stride = 2};
  std::vector<double> out(6);
  nodes.predict_distributions(view, std::nullopt, out, exec::CoreBudget::current());
  const std::vector<double> expected = {1.5 / 3.0,  1.0 / 3.0,   0.5 / 3.0,
                                        0.25 / 3.0, 0.875 / 3.0, 1.875 / 3.0};
  EXPECT_EQ(out, expected);
  const std::vector<std::uint32_t> rows = {1};
  std::vector<double> sum = {1.0, 1.0, 1.0};
  nodes.add_distributions(1, view, rows, sum);
  EXPECT_EQ(sum, (std::vector<double>{1.25, 1.75, 1.0}));
}

TEST(TreeNodes, OfTwoClassesKeepTheProbabilityOfTheSecond) {
  std::vector<internal::GrownTree> trees = {internal::pack(chain(1, false), 1, 1.0, 2)};
  std::vector<double> importances(1);
  const TreeNodes nodes =
      internal::join_trees(trees, 1, 2, importances, exec::CoreBudget::current(), 0);
  const double x[] = {-1.0, 1.0};
  const data::MatrixView view{.data = x, .rows = 2, .cols = 1, .column_stride = 2};
  std::vector<double> out(4);
  nodes.predict_distributions(view, std::nullopt, out, exec::CoreBudget::current());
  EXPECT_EQ(out, (std::vector<double>{1.0, 0.0, 0.0, 1.0}));
  std::vector<double> sum(2, 0.0);
  nodes.add_distributions(0, view, std::vector<std::uint32_t>{1}, sum);
  EXPECT_EQ(sum, (std::vector<double>{0.0, 1.0}));
}

TEST(TreeNodes, RefusesLeavesWithoutADistribution) {
  Stumps stumps;
  stumps.add(3, 0, {0.5, 0.25, 0.25});
  const TreeNodes nodes = stumps.join();
  const std::vector<double> good = {0.5, 0.25, 0.25};
  EXPECT_NO_THROW(TreeNodes(1, nodes.words(), nodes.roots(), nullptr, 3, good));
  EXPECT_THROW(TreeNodes(1, nodes.words(), nodes.roots(), nullptr, 3), core::CorruptFile);
  EXPECT_THROW(TreeNodes(1, nodes.words(), nodes.roots(), nullptr, 3, std::span(good).first(2)),
               core::CorruptFile);
  EXPECT_THROW(TreeNodes(1, nodes.words(), nodes.roots(), nullptr, 2, good), core::CorruptFile);
  for (const double bad : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    const std::vector<double> wrong = {bad, 0.25, 0.25};
    EXPECT_THROW(TreeNodes(1, nodes.words(), nodes.roots(), nullptr, 3, wrong), core::CorruptFile);
  }
}

TEST(TreeNodes, RefusesRootsThatOverlap) {
  const internal::GrownTree grown = internal::pack(chain(4, true), 3, 1.0);
  const std::vector<TreeNodes::Root> outside = {{grown.words.size(), 0}};
  EXPECT_THROW(TreeNodes(3, grown.words, outside, nullptr), core::CorruptFile);
  const std::vector<TreeNodes::Root> twice = {{0, 0}, {0, 0}};
  EXPECT_THROW(TreeNodes(3, grown.words, twice, nullptr), core::CorruptFile);
}

}  // namespace
}  // namespace mutirao::models
