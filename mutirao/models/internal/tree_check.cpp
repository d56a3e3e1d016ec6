#include "mutirao/models/internal/tree_check.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/node_word.hpp"
#include "mutirao/models/tree_nodes.hpp"

namespace mutirao::models::internal {
namespace {

// Note [One pass over the words of a tree]
// Words are looked at in their order. On a stack lie the right children to come: where each begins,
// and whether it is a leaf. A node puts its right child there, and its left child is the next word;
// a leaf takes off the last one, which must begin at the next word. Below all of them lies one that
// ends the tree. So each word is reached once, walks only go forward, and they end in leaves. (Were
// a right child to begin where the left one does, the next word would be a later one.)
//
// Loading a large forest is mostly this, and whether a word is a leaf is as good as random: a
// branch would often be mispredicted. So what follows for a node and for a leaf is computed both,
// and masked. The top of the stack stays in a register; else each step would wait for memory that
// the last one wrote.

/// Beside where a right child begins, in the lower half: it is a leaf.
constexpr std::uint64_t kRightLeaf = std::uint64_t{1} << 33;  // where words have it
constexpr std::uint64_t kLeftLeaf = std::uint64_t{1} << 32;
/// Of what lies below all right children.
constexpr std::uint64_t kEnd = std::uint64_t{1} << 63;
constexpr std::uint64_t kAll = ~std::uint64_t{0};

struct TreeKind {
  unsigned feature_bits;
  std::uint64_t far;           // a jump that the next word says
  std::uint64_t feature_mask;  // where a word has the feature
  std::uint64_t most_feature;  // there
  std::uint64_t most_of_leaf;
};

struct State {
  std::uint64_t at = 0;            // the word to look at
  std::uint64_t leaf = 0;          // kAll: it is a leaf
  std::uint64_t top = 0;           // of the stack
  std::uint64_t* under = nullptr;  // where the stack goes on: the last one is below
  std::uint64_t wrong = 0;         // other than 0: the words are no tree
};

/// Takes in a word; state.at is behind it and what belongs to it. False: the tree ends here.
template <bool kLeavesAreRows>
inline __attribute__((always_inline)) bool step(const TreeKind& kind, State& state,
                                                std::uint64_t word, std::uint64_t jump) {
  const auto choose = [&state](std::uint64_t of_leaf, std::uint64_t of_node) {
    return of_node ^ ((of_node ^ of_leaf) & state.leaf);
  };
  *state.under = state.top;
  const std::uint64_t right = (word & kRightLeaf) | static_cast<std::uint32_t>(state.at + jump);
  const std::uint64_t below = state.under[-1];
  std::uint64_t wrong_leaf =
      static_cast<std::uint32_t>(state.top) ^ static_cast<std::uint32_t>(state.at);
  if constexpr (kLeavesAreRows) wrong_leaf |= word > kind.most_of_leaf ? 1U : 0U;
  // The highest bit if the feature is too large.
  const std::uint64_t wrong_node = (kind.most_feature - (word & kind.feature_mask)) >> 63;
  state.wrong |= choose(wrong_leaf, wrong_node);
  static_assert(kRightLeaf >> 1 == kLeftLeaf);
  const std::uint64_t next_is_leaf = choose(state.top >> 1, word);
  if ((state.top & state.leaf & kEnd) != 0) [[unlikely]]
    return false;
  state.top = choose(below, right);
  state.under += 1 + 2 * static_cast<std::ptrdiff_t>(state.leaf);  // on or back by one
  state.leaf = static_cast<std::uint64_t>(static_cast<std::int64_t>(next_is_leaf << 31) >> 63);
  return true;
}

/// Steps on to the word `limit` or one with a far jump. False: the tree ends before.
template <bool kLeavesAreRows>
bool run(const TreeKind& kind, State& state, const std::uint64_t* words, std::uint64_t limit) {
  State here = state;
  const TreeKind of = kind;
  bool goes_on = true;
  while (here.at < limit) {
    const std::uint64_t word = words[here.at];
    const std::uint64_t jump = NodeWord(word).jump(of.feature_bits);
    if (jump == of.far) [[unlikely]]
      break;
    ++here.at;
    goes_on = step<kLeavesAreRows>(of, here, word, jump);
    if (!goes_on) break;
  }
  state = here;
  return goes_on;
}

/// Whether the words are a tree.
template <bool kLeavesAreRows>
bool are_tree(const TreeKind& kind, std::span<const std::uint64_t> words, bool root_is_leaf) {
  std::vector<std::uint64_t> stack(256);
  State state{.leaf = root_is_leaf ? kAll : 0, .top = words.size() | kEnd};
  state.under = stack.data() + 1;
  bool goes_on = true;
  while (goes_on && state.at < words.size()) {
    auto room = static_cast<std::size_t>(stack.data() + stack.size() - state.under);
    if (room == 0) {
      room = stack.size();
      stack.resize(2 * room);
      state.under = stack.data() + room;
    }
    const std::uint64_t word = words[state.at];
    std::uint64_t jump = NodeWord(word).jump(kind.feature_bits);
    if (jump != kind.far) {
      const std::uint64_t limit = std::min<std::uint64_t>(words.size(), state.at + room);
      goes_on = run<kLeavesAreRows>(kind, state, words.data(), limit);
      continue;
    }
    ++state.at;
    if (state.leaf == 0) {
      if (state.at == words.size()) return false;
      jump = words[state.at++];
      if (jump > words.size()) return false;
    }
    goes_on = step<kLeavesAreRows>(kind, state, word, jump);
  }
  return !goes_on && state.at == words.size() && state.wrong == 0;
}

}  // namespace

void check_tree(std::span<const std::uint64_t> words, bool root_is_leaf, std::size_t n_features,
                std::uint64_t most_of_leaf) {
  const unsigned bits = TreeNodes::feature_bits(n_features);
  const auto with_feature = [bits](std::uint64_t feature) {
    return NodeWord({.feature = feature}, bits).bits();
  };
  const TreeKind kind{.feature_bits = bits,
                      .far = NodeWord::far(bits),
                      .feature_mask = with_feature((std::uint64_t{1} << bits) - 1),
                      .most_feature = with_feature(n_features - 1),
                      .most_of_leaf = most_of_leaf};
  const bool good = most_of_leaf == kAll ? are_tree<false>(kind, words, root_is_leaf)
                                         : are_tree<true>(kind, words, root_is_leaf);
  if (!good) {
    throw core::CorruptFile("a tree of the model is not well formed",
                            "train the model again; the file cannot be used");
  }
}

TreeShape shape_of(std::span<const std::uint64_t> words, bool root_is_leaf, unsigned feature_bits) {
  struct Subtree {
    std::size_t at;
    std::size_t depth;
    bool is_leaf;
  };
  TreeShape shape;
  std::vector<Subtree> pending = {{0, 0, root_is_leaf}};
  while (!pending.empty()) {
    const Subtree root = pending.back();
    pending.pop_back();
    if (root.is_leaf) {
      ++shape.leaves;
      shape.depth = std::max(shape.depth, root.depth);
      continue;
    }
    const NodeWord node(words[root.at]);
    std::size_t left = root.at + 1;
    std::uint64_t jump = node.jump(feature_bits);
    if (jump == NodeWord::far(feature_bits)) jump = words[left++];
    pending.push_back({left + jump, root.depth + 1, node.right_is_leaf()});
    pending.push_back({left, root.depth + 1, node.left_is_leaf()});
  }
  return shape;
}

}  // namespace mutirao::models::internal
