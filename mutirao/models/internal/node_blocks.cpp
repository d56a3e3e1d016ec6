#include "mutirao/models/internal/node_blocks.hpp"

#include <cstring>
#include <limits>
#include <utility>

#include "mutirao/models/internal/node_word.hpp"

namespace mutirao::models::internal {
namespace {

constexpr std::size_t kNodes = 7;
constexpr std::size_t kExits = 8;
constexpr std::size_t kLineWords = sizeof(NodeBlock) / sizeof(std::uint64_t);

/// What a place in a block holds.
struct Place {
  enum class Kind : std::uint8_t { kNone, kNode, kLeaf };
  std::uint32_t at = 0;  // its word
  Kind kind = Kind::kNone;
};

Place place_of(std::uint64_t at, bool is_leaf) {
  return {static_cast<std::uint32_t>(at), is_leaf ? Place::Kind::kLeaf : Place::Kind::kNode};
}

}  // namespace

BlockedTree make_blocks(std::span<const std::uint64_t> words, unsigned feature_bits) {
  struct Pending {
    std::uint32_t at;
    std::uint32_t block;
  };
  std::vector<NodeBlock> blocks;
  std::vector<std::uint64_t> leaves;
  blocks.reserve(words.size() / 6);
  leaves.reserve(words.size() / 2 + 1);
  blocks.emplace_back();
  std::vector<Pending> pending = {{0, 0}};
  while (!pending.empty()) {
    const Pending root = pending.back();
    pending.pop_back();
    NodeBlock block{};
    block.threshold[kNodes] = std::numeric_limits<float>::infinity();
    Place places[kNodes + kExits];
    places[0] = place_of(root.at, false);
    for (std::size_t i = 0; i < kNodes; ++i) {
      if (places[i].kind != Place::Kind::kNode) {
        block.threshold[i] = std::numeric_limits<float>::infinity();
        places[2 * i + 1] = places[i];
        continue;
      }
      const std::size_t at = places[i].at;
      const NodeWord node(words[at]);
      std::uint64_t jump = node.jump(feature_bits);
      std::size_t left = at + 1;
      if (jump == NodeWord::far(feature_bits)) jump = words[left++];
      block.threshold[i] = node.threshold();
      block.feature[i] = static_cast<std::uint16_t>(node.feature(feature_bits));
      block.missing_right |= static_cast<std::uint8_t>((node.missing_left() ? 0U : 1U) << i);
      places[2 * i + 1] = place_of(left, node.left_is_leaf());
      places[2 * i + 2] = place_of(left + jump, node.right_is_leaf());
    }
    block.first[0] = static_cast<std::uint32_t>(blocks.size() * kLineWords);
    block.first[1] = static_cast<std::uint32_t>(leaves.size());
    const std::size_t below = pending.size();
    for (std::size_t i = 0; i < kExits; ++i) {
      const Place place = places[kNodes + i];
      const auto bit = static_cast<std::uint8_t>(1U << i);
      if (place.kind == Place::Kind::kLeaf) {
        block.exits[1] |= bit;
        leaves.push_back(words[place.at]);
      } else if (place.kind == Place::Kind::kNode) {
        block.exits[0] |= bit;
        pending.push_back({place.at, static_cast<std::uint32_t>(blocks.size())});
        blocks.emplace_back();
      }
    }
    // The first of them next, so that what is walked through together lies together.
    for (std::size_t i = below, j = pending.size(); i + 1 < j; ++i)
      std::swap(pending[i], pending[--j]);
    blocks[root.block] = block;
  }
  for (NodeBlock& block : blocks)
    block.first[1] += static_cast<std::uint32_t>(blocks.size() * kLineWords);
  BlockedTree tree;
  const std::size_t leaf_lines = (leaves.size() + kLineWords - 1) / kLineWords;
  tree.lines.reserve(blocks.size() + leaf_lines);
  tree.lines.assign(blocks.begin(), blocks.end());
  tree.lines.resize(blocks.size() + leaf_lines);
  std::memcpy(static_cast<void*>(tree.lines.data() + blocks.size()), leaves.data(),
              leaves.size() * sizeof(std::uint64_t));
  return tree;
}

}  // namespace mutirao::models::internal
