#include "mutirao/models/internal/onnx_trees.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "mutirao/models/internal/node_word.hpp"

namespace mutirao::models::internal {

// Note [Thresholds of rounded values]
// Our trees round a value to float32 (to nearest, ties to even) before they compare it; ONNX
// compares float64 values with a float64 threshold. A value rounds to at most t if it lies below
// the middle between t and the next float32, or on it when t is the even one of the two. That
// middle is a float64, so that one comparison does both and no value takes another branch.

namespace {

constexpr float kLargest = std::numeric_limits<float>::max();
constexpr float kInfinite = std::numeric_limits<float>::infinity();

bool is_even(float value) noexcept { return (std::bit_cast<std::uint32_t>(value) & 1U) == 0; }

double middle(float a, float b) noexcept {
  return (static_cast<double>(a) + static_cast<double>(b)) / 2.0;
}

}  // namespace

double threshold_of_rounded(float threshold) noexcept {
  if (threshold >= kLargest) return kInfinite;
  const double between = middle(threshold, std::nextafter(threshold, kInfinite));
  return is_even(threshold) ? between
                            : std::nextafter(between, -std::numeric_limits<double>::infinity());
}

double strict_threshold_of_rounded(float threshold) noexcept {
  if (threshold <= -kLargest) return -kInfinite;
  const double between = middle(std::nextafter(threshold, -kInfinite), threshold);
  return is_even(threshold) ? between
                            : std::nextafter(between, std::numeric_limits<double>::infinity());
}

namespace {

struct Node {
  std::int64_t tree = 0;
  std::int64_t id = 0;  // in its tree
  bool is_leaf = false;
  std::int64_t feature = 0;
  std::int64_t left = 0;
  std::int64_t right = 0;
  double threshold = 0.0;
  bool missing_left = false;
  std::uint64_t leaf = 0;  // what our own node says
};

/// visit(node) for every node of all trees. A word's place in its tree is its id.
template <class Visit>
void each_node(const TreeNodes& trees, Visit visit) {
  const unsigned bits = TreeNodes::feature_bits(trees.n_features());
  std::vector<bool> pending;  // right children that are to come: whether each is a leaf
  for (std::size_t t = 0; t < trees.trees(); ++t) {
    const std::uint64_t* words = trees.words().data() + trees.roots()[t].first;
    std::size_t at = 0;
    pending.assign(1, trees.roots()[t].is_leaf != 0);
    while (!pending.empty()) {
      Node node{.tree = static_cast<std::int64_t>(t), .id = static_cast<std::int64_t>(at)};
      node.is_leaf = pending.back();
      pending.pop_back();
      const NodeWord word(words[at++]);
      if (node.is_leaf) {
        node.leaf = word.bits();
      } else {
        std::uint64_t jump = word.jump(bits);
        if (jump == NodeWord::far(bits)) jump = words[at++];
        node.feature = static_cast<std::int64_t>(word.feature(bits));
        node.threshold = threshold_of_rounded(word.threshold());
        node.missing_left = word.missing_left();
        node.left = static_cast<std::int64_t>(at);
        node.right = static_cast<std::int64_t>(at + jump);
        pending.push_back(word.right_is_leaf());
        pending.push_back(word.left_is_leaf());
      }
      visit(node);
    }
  }
}

template <class Visit>
void each_node(const BoostedTrees& trees, Visit visit) {
  for (std::size_t t = 0; t < trees.roots().size(); ++t) {
    const std::size_t first = trees.roots()[t];
    const std::size_t last =
        t + 1 < trees.roots().size() ? trees.roots()[t + 1] : trees.nodes().size();
    for (std::size_t i = first; i < last; ++i) {
      const BoostedNode& own = trees.nodes()[i];
      Node node{.tree = static_cast<std::int64_t>(t), .id = static_cast<std::int64_t>(i - first)};
      node.is_leaf = own.left == 0;
      if (node.is_leaf) {
        node.leaf = std::bit_cast<std::uint32_t>(own.value);
      } else {
        node.feature = own.feature & ~BoostedNode::kMissingLeft;
        node.threshold = strict_threshold_of_rounded(own.value);
        node.missing_left = (own.feature & BoostedNode::kMissingLeft) != 0;
        node.left = own.left;
        node.right = std::int64_t{own.left} + 1;
      }
      visit(node);
    }
  }
}

/// The attributes that describe how a tree branches.
template <class Trees>
void add_nodes(OnnxGraph::Attributes& to, const Trees& trees, std::string_view comparison) {
  std::size_t count = 0;
  each_node(trees, [&](const Node&) { ++count; });
  const auto numbers = [&](std::string_view name, auto of) {
    to.numbers(name, [&](auto put) { each_node(trees, [&](const Node& node) { put(of(node)); }); });
  };
  numbers("nodes_treeids", [](const Node& node) { return node.tree; });
  numbers("nodes_nodeids", [](const Node& node) { return node.id; });
  numbers("nodes_featureids", [](const Node& node) { return node.feature; });
  numbers("nodes_truenodeids", [](const Node& node) { return node.left; });
  numbers("nodes_falsenodeids", [](const Node& node) { return node.right; });
  numbers("nodes_missing_value_tracks_true",
          [](const Node& node) { return std::int64_t{node.missing_left}; });
  to.texts("nodes_modes", [&](auto put) {
    each_node(trees, [&](const Node& node) { put(node.is_leaf ? "LEAF" : comparison); });
  });
  to.tensor("nodes_values_as_tensor", count,
            [&](auto put) { each_node(trees, [&](const Node& node) { put(node.threshold); }); });
}

struct Weight {
  std::int64_t tree = 0;
  std::int64_t node = 0;
  std::int64_t target = 0;
  double value = 0.0;
};

/// The attributes that say what leaves add; each_weight(visit) gives them.
template <class EachWeight>
void add_weights(OnnxGraph::Attributes& to, EachWeight each_weight) {
  std::size_t count = 0;
  each_weight([&](const Weight&) { ++count; });
  const auto numbers = [&](std::string_view name, auto of) {
    to.numbers(name,
               [&](auto put) { each_weight([&](const Weight& weight) { put(of(weight)); }); });
  };
  numbers("target_treeids", [](const Weight& weight) { return weight.tree; });
  numbers("target_nodeids", [](const Weight& weight) { return weight.node; });
  numbers("target_ids", [](const Weight& weight) { return weight.target; });
  to.tensor("target_weights_as_tensor", count,
            [&](auto put) { each_weight([&](const Weight& weight) { put(weight.value); }); });
}

}  // namespace

std::string add_trees(OnnxGraph& graph, const std::string& x, const TreeNodes& trees) {
  const std::size_t n_classes = trees.n_classes();
  std::string output;
  OnnxGraph::Attributes node = graph.open("TreeEnsembleRegressor", {x}, output, OnnxGraph::kTrees);
  add_nodes(node, trees, "BRANCH_LEQ");
  add_weights(node, [&](auto visit) {
    each_node(trees, [&](const Node& each) {
      if (!each.is_leaf) return;
      Weight weight{.tree = each.tree, .node = each.id};
      if (n_classes <= 2) {
        weight.value = std::bit_cast<double>(each.leaf);
        visit(weight);
      } else if (each.leaf < n_classes) {
        weight.target = static_cast<std::int64_t>(each.leaf);
        weight.value = 1.0;
        visit(weight);
      } else {
        for (std::size_t c = 0; c < n_classes; ++c) {
          weight.target = static_cast<std::int64_t>(c);
          weight.value = trees.distributions()[(each.leaf - n_classes) * n_classes + c];
          if (weight.value != 0.0) visit(weight);
        }
      }
    });
  });
  node.number("n_targets", n_classes <= 2 ? 1 : static_cast<std::int64_t>(n_classes));
  node.text("aggregate_function", "AVERAGE");
  node.text("post_transform", "NONE");
  return output;
}

std::string add_trees(OnnxGraph& graph, const std::string& x, const BoostedTrees& trees) {
  std::string output;
  OnnxGraph::Attributes node = graph.open("TreeEnsembleRegressor", {x}, output, OnnxGraph::kTrees);
  add_nodes(node, trees, "BRANCH_LT");
  add_weights(node, [&](auto visit) {
    each_node(trees, [&](const Node& each) {
      if (!each.is_leaf) return;
      const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(each.leaf));
      visit(Weight{.tree = each.tree,
                   .node = each.id,
                   .target = each.tree % static_cast<std::int64_t>(trees.outputs()),
                   .value = trees.scale() * static_cast<double>(value)});
    });
  });
  node.tensor("base_values_as_tensor", trees.outputs(), [&](auto put) {
    for (std::size_t k = 0; k < trees.outputs(); ++k) put(trees.shift());
  });
  node.number("n_targets", static_cast<std::int64_t>(trees.outputs()));
  node.text("aggregate_function", "SUM");
  node.text("post_transform", "NONE");
  return output;
}

}  // namespace mutirao::models::internal
