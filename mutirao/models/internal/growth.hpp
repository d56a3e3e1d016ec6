#pragma once

// What every way of growing a tree does alike: which features a node looks at, which of their
// splits it takes, what becomes of its children, what a leaf says.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "mutirao/models/internal/grown_nodes.hpp"
#include "mutirao/models/internal/tree_grower.hpp"
#include "mutirao/models/internal/tree_kernels.hpp"

namespace mutirao::models::internal {

/// Random numbers of one node, keyed by the path to it, so that they do not depend on the order in
/// which nodes are grown. SplitMix64 (Steele, Lea, Flood 2014).
class NodeStream {
 public:
  explicit NodeStream(std::uint64_t key) noexcept : state_(key) {}
  std::uint64_t below(std::uint64_t bound) noexcept {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>(static_cast<Wide>(mix(state_ += kGamma)) * bound >> 64);
  }
  /// In [0, 1), 53 bits.
  double uniform() noexcept { return static_cast<double>(mix(state_ += kGamma) >> 11) * 0x1.0p-53; }
  static std::uint64_t child(std::uint64_t key, bool left) noexcept {
    return mix(key ^ (left ? 0x6a09e667f3bcc908ULL : 0xbb67ae8584caa73bULL));
  }

 private:
  static constexpr std::uint64_t kGamma = 0x9e3779b97f4a7c15ULL;
  static std::uint64_t mix(std::uint64_t value) noexcept {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
    return value ^ (value >> 31);
  }
  std::uint64_t state_;
};

/// A node that may be split: the range [first, last) of every list of its tile.
struct OpenNode {
  std::size_t first = 0;
  std::size_t last = 0;
  Sums total;
  std::uint64_t key = 0;
  std::uint32_t node = 0;
  std::uint32_t depth = 0;

  std::size_t rows() const noexcept { return last - first; }
};

struct Split {
  std::size_t feature = 0;
  Cut cut;
};

struct Growth {
  const TreeTask& task;
  const GrowthLimits& limits;
  double centre;       // what was taken off every y
  double min_weight;   // on either side of a split
  double weight;       // of the whole tree
  double scale = 1.0;  // from the fall of the squared error to that of the impurity

  bool divisible(const OpenNode& node) const noexcept {
    return node.rows() >= limits.min_samples_split && node.rows() >= 2 * limits.min_samples_leaf &&
           node.depth < limits.max_depth && node.total.w >= 2 * min_weight;
  }
  bool worth(const Split& split, const OpenNode& node) const noexcept {
    return split.cut.left != 0 && worth(split.cut.score, node);
  }
  bool worth(double score, const OpenNode& node) const noexcept {
    const double improvement = scale * score / node.total.w / weight;
    return improvement + std::numeric_limits<double>::epsilon() >= limits.min_impurity_decrease;
  }
};

/// The features that a node looks at.
class FeatureDraw {
 public:
  explicit FeatureDraw(std::size_t features) : order_(features) {
    std::iota(order_.begin(), order_.end(), 0U);
  }

  /// All that vary, or `wanted` drawn, and further ones until one varies, as scikit-learn draws
  /// them. constant(j): whether feature j has one value in the node.
  template <class Constant>
  void choose(std::size_t wanted, NodeStream& stream, Constant constant) {
    if (wanted >= order_.size()) {
      choose_if(order_.size(), [&](std::uint32_t j) { return !constant(j); });
      return;
    }
    chosen_.clear();
    swaps_.clear();
    for (std::size_t drawn = 0; drawn < order_.size(); ++drawn) {
      if (drawn >= wanted && !chosen_.empty()) break;
      const std::size_t at = drawn + stream.below(order_.size() - drawn);
      std::swap(order_[drawn], order_[at]);
      swaps_.push_back(at);
      if (!constant(order_[drawn])) chosen_.push_back(order_[drawn]);
    }
    // Undone, so that the next draw does not depend on this node.
    for (std::size_t drawn = swaps_.size(); drawn-- > 0;)
      std::swap(order_[drawn], order_[swaps_[drawn]]);
  }

  /// All of the first n for which accept(j). Without branches: which features vary in a small node
  /// cannot be foretold.
  template <class Accept>
  void choose_if(std::size_t n, Accept accept) {
    chosen_.resize(n);
    std::size_t taken = 0;
    for (std::uint32_t j = 0; j < n; ++j) {
      chosen_[taken] = j;
      taken += accept(j) ? 1 : 0;
    }
    chosen_.resize(taken);
  }

  const std::vector<std::uint32_t>& chosen() const noexcept { return chosen_; }

 private:
  std::vector<std::uint32_t> order_;
  std::vector<std::size_t> swaps_;
  std::vector<std::uint32_t> chosen_;
};

/// The best of the cuts that were found, one per feature; of those that are equal, one is drawn.
/// `equals`: scratch. Gives its index, or cuts.size() when there is none.
inline std::size_t draw_best(std::span<const Cut> cuts, NodeStream& stream,
                             std::vector<std::uint32_t>& equals) {
  // Scores that differ by less, relatively, are equal: the same rows, added in another order.
  constexpr double kEqual = 1e-12;
  double best = -1.0;
  for (const Cut& cut : cuts) best = std::max(best, cut.score);
  if (best < 0.0) return cuts.size();
  const double least = best - kEqual * best;
  equals.resize(cuts.size());
  std::size_t n = 0;
  for (std::uint32_t i = 0; i < cuts.size(); ++i) {
    equals[n] = i;
    n += cuts[i].score >= least ? 1 : 0;
  }
  return equals[n == 1 ? 0 : stream.below(n)];
}

/// A threshold between the least and the largest value of a node, `uniform` in [0, 1): at least
/// `least` and below `most`, unless these are equal.
inline float drawn_threshold(float least, float most, double uniform) noexcept {
  const double exact = double{least} + uniform * (double{most} - double{least});
  auto drawn = static_cast<float>(exact);
  if (double{drawn} > exact) drawn = std::nextafter(drawn, -std::numeric_limits<float>::max());
  return drawn < most ? std::max(drawn, least) : least;
}

/// The split of two rows, `front` being the first of the feature's list: every feature that varies
/// splits them equally well.
inline Split pair_split(std::size_t feature, const Sums& front, const Sums& total) noexcept {
  const double d = front.wy * total.w - total.wy * front.w;
  return {
      .feature = feature,
      .cut = {.score = d * d / (front.w * (total.w - front.w)), .left = 1, .left_total = front}};
}

/// Where a split divides: rows of x, and how many rows go left.
struct Division {
  std::size_t n_left = 0;
  std::uint32_t below = 0;
  std::uint32_t above = 0;
  bool missing_left = false;
  Sums right_total;
};

/// Makes the node an inner one; gives its children, the left one first.
inline std::pair<OpenNode, OpenNode> divide(const Growth& growth, std::vector<GrownNode>& nodes,
                                            const OpenNode& node, const Split& split,
                                            const Division& division) {
  const auto left_node = static_cast<std::uint32_t>(nodes.size());
  nodes.resize(nodes.size() + 2);
  nodes[node.node] = {.value = growth.centre + node.total.wy / node.total.w,
                      .gain = growth.scale * split.cut.score / node.total.w,
                      .below = division.below,
                      .above = division.above,
                      .feature = static_cast<std::uint32_t>(split.feature),
                      .left = left_node,
                      .right = left_node + 1,
                      .missing_left = division.missing_left};
  const std::size_t middle = node.first + division.n_left;
  return {{.first = node.first,
           .last = middle,
           .total = split.cut.left_total,
           .key = NodeStream::child(node.key, true),
           .node = left_node,
           .depth = node.depth + 1},
          {.first = middle,
           .last = node.last,
           .total = division.right_total,
           .key = NodeStream::child(node.key, false),
           .node = left_node + 1,
           .depth = node.depth + 1}};
}

/// Makes the node a leaf of n rows. y_of(i), w_of(i): target and weight of the i-th.
template <class Target, class Weight>
void make_leaf(const Growth& growth, GrownNode& leaf, std::size_t n, Target y_of, Weight w_of) {
  const double first = y_of(0);
  // Differences from the first target: the mean of equal targets is that target, exactly.
  double above = 0.0;
  double weight = w_of(0);
  for (std::size_t i = 1; i < n; ++i) {
    above += w_of(i) * (y_of(i) - first);
    weight += w_of(i);
  }
  leaf.value = n == 1 ? first : first + above / weight;
  if (growth.limits.ccp_alpha <= 0.0) return;
  leaf.gain = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    const double difference = y_of(i) - leaf.value;
    leaf.gain += growth.scale * w_of(i) * difference * difference;
  }
}

}  // namespace mutirao::models::internal
