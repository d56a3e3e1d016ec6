#pragma once

// One word of a tree; models/tree_nodes.hpp draws it.

#include <bit>
#include <cstdint>

namespace mutirao::models::internal {

class NodeWord {
 public:
  struct Parts {
    float threshold = 0.0F;
    bool left_is_leaf = false;
    bool right_is_leaf = false;
    bool missing_left = false;
    std::uint64_t feature = 0;
    std::uint64_t jump = 0;  ///< words of the left subtree
  };

  explicit NodeWord(std::uint64_t bits) noexcept : bits_(bits) {}
  NodeWord(const Parts& parts, unsigned feature_bits) noexcept
      : bits_(std::bit_cast<std::uint32_t>(parts.threshold) |
              std::uint64_t{parts.left_is_leaf} << 32 | std::uint64_t{parts.right_is_leaf} << 33 |
              std::uint64_t{parts.missing_left} << 34 | parts.feature << 35 |
              (fits(parts.jump, feature_bits) ? parts.jump : far(feature_bits))
                  << (35 + feature_bits)) {}

  std::uint64_t bits() const noexcept { return bits_; }
  float threshold() const noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits_));
  }
  bool left_is_leaf() const noexcept { return (bits_ >> 32 & 1) != 0; }
  bool right_is_leaf() const noexcept { return (bits_ >> 33 & 1) != 0; }
  /// Whether the left (0) or the right (1) child is a leaf.
  bool is_leaf(std::uint64_t right) const noexcept { return (bits_ >> (32 + right) & 1) != 0; }
  bool missing_left() const noexcept { return (bits_ >> 34 & 1) != 0; }
  std::uint64_t feature(unsigned feature_bits) const noexcept {
    return bits_ >> 35 & ((std::uint64_t{1} << feature_bits) - 1);
  }
  /// far(feature_bits): the next word has it.
  std::uint64_t jump(unsigned feature_bits) const noexcept { return bits_ >> (35 + feature_bits); }

  static constexpr std::uint64_t far(unsigned feature_bits) noexcept {
    return (std::uint64_t{1} << (29 - feature_bits)) - 1;
  }
  static constexpr bool fits(std::uint64_t jump, unsigned feature_bits) noexcept {
    return jump < far(feature_bits);
  }

 private:
  std::uint64_t bits_;
};

}  // namespace mutirao::models::internal
