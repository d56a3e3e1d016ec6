#include "mutirao/models/internal/grown_nodes.hpp"

#include <bit>

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

GrownTree pack(std::span<const GrownNode> nodes, std::size_t n_features, double weight) {
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
      tree.words.push_back(std::bit_cast<std::uint64_t>(node.value));
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

}  // namespace mutirao::models::internal
