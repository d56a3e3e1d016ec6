#include "mutirao/models/internal/grown_nodes.hpp"

#include <bit>
#include <utility>

#include "mutirao/models/internal/node_word.hpp"
#include "mutirao/models/tree_nodes.hpp"

namespace mutirao::models::internal {

void prune(std::vector<GrownNode>& nodes, double alpha, double weight) {
  // Children come after their parents, so one pass from the back sees every subtree pruned already.
  std::vector<double> error(nodes.size());    // of the pruned subtree
  std::vector<double> as_leaf(nodes.size());  // of the node, were it a leaf
  std::vector<double> leaves(nodes.size());
  for (std::size_t i = nodes.size(); i-- > 0;) {
    GrownNode& node = nodes[i];
    if (node.is_leaf()) {
      error[i] = as_leaf[i] = node.gain / weight;
      leaves[i] = 1;
      continue;
    }
    as_leaf[i] = as_leaf[node.left] + as_leaf[node.right] + node.gain / weight;
    error[i] = error[node.left] + error[node.right];
    leaves[i] = leaves[node.left] + leaves[node.right];
    if (as_leaf[i] + alpha <= error[i] + alpha * leaves[i]) {
      node.left = node.right = 0;
      node.gain = as_leaf[i] * weight;
      error[i] = as_leaf[i];
      leaves[i] = 1;
    }
  }
}

GrownTree pack(std::span<const GrownNode> nodes, std::size_t n_features, double weight,
               std::size_t n_classes, std::span<const double> distributions) {
  const unsigned feature_bits = TreeNodes::feature_bits(n_features);
  GrownTree tree;
  tree.importances.assign(n_features, 0.0);
  tree.root_is_leaf = nodes[0].is_leaf();

  // Words of each subtree; a jump that does not fit takes one word more.
  std::vector<std::uint32_t> words(nodes.size(), 1);
  for (std::size_t i = nodes.size(); i-- > 0;) {
    const GrownNode& node = nodes[i];
    if (node.is_leaf()) continue;
    const bool far = !NodeWord::fits(words[node.left], feature_bits);
    words[i] = 1 + (far ? 1 : 0) + words[node.left] + words[node.right];
  }

  tree.words.reserve(words[0]);
  std::vector<std::uint32_t> pending = {0};
  while (!pending.empty()) {
    const GrownNode& node = nodes[pending.back()];
    pending.pop_back();
    if (node.is_leaf()) {
      if (n_classes <= 2) {
        tree.words.push_back(std::bit_cast<std::uint64_t>(node.value));
      } else if (node.distribution < n_classes) {
        tree.words.push_back(node.distribution);
      } else {
        const auto row =
            distributions.subspan((node.distribution - n_classes) * n_classes, n_classes);
        tree.mixed.push_back(static_cast<std::uint32_t>(tree.words.size()));
        tree.words.push_back(n_classes + tree.distributions.size() / n_classes);
        tree.distributions.insert(tree.distributions.end(), row.begin(), row.end());
      }
      continue;
    }
    tree.importances[node.feature] += node.gain / weight;
    const NodeWord word({.threshold = node.threshold,
                         .left_is_leaf = nodes[node.left].is_leaf(),
                         .right_is_leaf = nodes[node.right].is_leaf(),
                         .missing_left = node.missing_left,
                         .feature = node.feature,
                         .jump = words[node.left]},
                        feature_bits);
    tree.words.push_back(word.bits());
    if (!NodeWord::fits(words[node.left], feature_bits)) tree.words.push_back(words[node.left]);
    pending.push_back(node.right);
    pending.push_back(node.left);
  }
  return tree;
}

void normalise(std::vector<double>& importances) {
  double total = 0.0;
  for (const double importance : importances) total += importance;
  if (!(total > 0.0)) return;
  for (double& importance : importances) importance /= total;
}

TreeNodes join_trees(std::vector<GrownTree>& trees, std::size_t n_features, std::size_t n_classes,
                     std::vector<double>& importances, exec::CoreBudget& budget,
                     std::size_t max_cores) {
  std::vector<std::vector<std::uint64_t>> words;
  std::vector<bool> root_is_leaf;
  std::vector<double> distributions;
  for (GrownTree& tree : trees) {
    normalise(tree.importances);
    for (std::size_t j = 0; j < tree.importances.size(); ++j) importances[j] += tree.importances[j];
    if (n_classes > 2) {
      for (const std::uint32_t word : tree.mixed)
        tree.words[word] += distributions.size() / n_classes;
      distributions.insert(distributions.end(), tree.distributions.begin(),
                           tree.distributions.end());
      std::vector<double>().swap(tree.distributions);
    }
    words.push_back(std::move(tree.words));
    root_is_leaf.push_back(tree.root_is_leaf);
  }
  return {n_features, std::move(words), std::move(root_is_leaf), budget,
          max_cores,  n_classes,        std::move(distributions)};
}

}  // namespace mutirao::models::internal
