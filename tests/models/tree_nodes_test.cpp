#include "mutirao/models/tree_nodes.hpp"

#include <bit>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/random.hpp"
#include "mutirao/models/internal/grown_nodes.hpp"
#include "mutirao/models/internal/node_word.hpp"
#include "mutirao/models/internal/tree_check.hpp"

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

/// A tree of so many splits, each of a leaf drawn at random.
std::vector<GrownNode> random_tree(core::RandomStream& stream, std::size_t splits,
                                   std::size_t n_features, std::size_t n_classes) {
  std::vector<GrownNode> nodes(1);
  for (std::size_t i = 0; i < splits; ++i) {
    std::size_t leaf = stream.below(nodes.size());
    while (!nodes[leaf].is_leaf()) leaf = stream.below(nodes.size());
    nodes[leaf].feature = static_cast<std::uint32_t>(stream.below(n_features));
    nodes[leaf].threshold = static_cast<float>(stream.uniform());
    nodes[leaf].left = static_cast<std::uint32_t>(nodes.size());
    nodes[leaf].right = nodes[leaf].left + 1;
    nodes.resize(nodes.size() + 2);
  }
  for (GrownNode& node : nodes) {
    node.value = stream.uniform();
    if (n_classes > 0) node.distribution = static_cast<std::uint32_t>(stream.below(n_classes));
  }
  return nodes;
}

/// What internal::check_tree() lets pass, plainly: where the subtree ends that begins at a word, or
/// nothing if it is none.
struct PlainCheck {
  std::span<const std::uint64_t> words;
  std::size_t n_features;
  std::uint64_t most_of_leaf;

  std::optional<std::size_t> end_of(std::size_t at, bool is_leaf) const {
    if (at >= words.size()) return std::nullopt;
    if (is_leaf) return words[at] <= most_of_leaf ? std::optional(at + 1) : std::nullopt;
    const unsigned bits = TreeNodes::feature_bits(n_features);
    const internal::NodeWord node(words[at]);
    std::uint64_t jump = node.jump(bits);
    std::size_t left = at + 1;
    if (jump == internal::NodeWord::far(bits)) {
      if (left == words.size()) return std::nullopt;
      jump = words[left++];
    }
    if (node.feature(bits) >= n_features) return std::nullopt;
    const std::optional<std::size_t> right = end_of(left, node.left_is_leaf());
    if (!right || *right - left != jump) return std::nullopt;
    return end_of(*right, node.right_is_leaf());
  }
  bool good(bool root_is_leaf) const { return end_of(0, root_is_leaf) == words.size(); }
};

struct WordsCase {
  std::size_t n_features;
  std::size_t n_classes;
  std::size_t splits;
};

class Words : public testing::TestWithParam<WordsCase> {};

TEST_P(Words, AreATreeWhereAPlainCheckFindsOne) {
  const auto [n_features, n_classes, splits] = GetParam();
  core::RandomStream stream({1, n_features, splits});
  const std::uint64_t most = n_classes > 2 ? n_classes - 1 : ~std::uint64_t{0};
  std::size_t good = 0;
  for (int i = 0; i < 1000; ++i) {
    static internal::GrownTree grown;
    if (i % 50 == 0) {
      grown = internal::pack(
          i == 100 ? chain(splits, true) : random_tree(stream, splits, n_features, n_classes),
          n_features, 1.0, n_classes);
    }
    std::vector<std::uint64_t> words = grown.words;
    for (std::size_t change = stream.below(3); change > 0; --change)
      words[stream.below(words.size())] ^= std::uint64_t{1} << stream.below(64);
    if (i % 7 == 0) words.resize(1 + stream.below(words.size()));
    if (i % 9 == 0) words.resize(words.size() + stream.below(3));
    const bool root_is_leaf = i % 10 == 0;
    const bool expected = PlainCheck{words, n_features, most}.good(root_is_leaf);
    bool found = true;
    try {
      internal::check_tree(words, root_is_leaf, n_features, most);
    } catch (const core::CorruptFile&) {
      found = false;
    }
    ASSERT_EQ(found, expected) << "round " << i;
    good += expected ? 1 : 0;
  }
  EXPECT_GT(good, 100u);
  EXPECT_LT(good, 900u);
}

INSTANTIATE_TEST_SUITE_P(Trees, Words,
                         testing::Values(WordsCase{3, 0, 40}, WordsCase{4, 0, 1},
                                         WordsCase{20, 5, 30}, WordsCase{300000, 0, 900}));

TEST(TreeNodes, OfWordsThatPassTheCheckPredict) {
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
