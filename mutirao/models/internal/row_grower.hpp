#pragma once

// Grows a tree, or its upper part, on a list of rows.
//
// A node is a range of the list; splitting it moves the rows of the left child to the front, in
// their order. What a search does with a node is its own affair: it loads it, finds a split, and
// says of each row on which side of a split it lies.

#include <cstddef>
#include <cstdint>
#include <queue>
#include <utility>
#include <vector>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/growth.hpp"

namespace mutirao::models::internal {

struct RowSplit {
  double score = -1.0;  ///< weight of the node times the fall of weight x impurity; below 0: none
  std::uint32_t feature = 0;
  bool missing_left = false;
  bool has_missing = false;
  std::uint32_t rank = 0;   ///< searches by rank: ranks up to it go left,
  std::uint32_t below = 0;  ///< and the rows between whose values it lies
  std::uint32_t above = 0;
  float threshold = 0.0F;  ///< searches by value: values up to it go left
};

template <class Search>
class RowGrower {
 public:
  RowGrower(const Growth& growth, Search& search, std::vector<std::uint32_t>& rows,
            std::vector<std::uint32_t>& room, std::vector<GrownNode>& nodes)
      : growth_(growth), search_(search), rows_(rows), room_(room), nodes_(nodes) {
    rows_.assign(growth.task.rows.begin(), growth.task.rows.end());
    room_.resize(rows_.size());
  }

  /// Grows from the root; nodes of at most `cut` rows that may be split are left in `frontier`.
  /// below(rows, n, node): grows below such a node, if it is one for it; else false.
  template <class Below>
  void grow(std::size_t cut, std::vector<OpenNode>& frontier, Below below) {
    nodes_.assign(1, {});
    open_.assign(1, root());
    while (!open_.empty()) {
      OpenNode node = open_.back();
      open_.pop_back();
      if (!may_be_split(node)) {
        leaf(node);
        continue;
      }
      if (node.rows() <= cut) {
        frontier.push_back(node);
        continue;
      }
      if (below(rows_.data() + node.first, node.rows(), node)) continue;
      const RowSplit split = best_split(node);
      if (!worth(split, node)) {
        leaf(node);
        continue;
      }
      const auto [left, right] = apply(split, node);
      open_.push_back(right);
      open_.push_back(left);
    }
  }

  /// Splits the leaf that gains most, until there are `max_leaves`.
  void grow_best_first(std::size_t max_leaves) {
    struct Candidate {
      OpenNode node;
      RowSplit split;
      double gain;
      // The larger gain first; of equals the older node.
      bool operator<(const Candidate& other) const noexcept {
        return gain != other.gain ? gain < other.gain : node.node > other.node.node;
      }
    };
    std::priority_queue<Candidate> candidates;
    const auto consider = [&](OpenNode node) {
      const bool open = may_be_split(node);
      leaf(node);  // until its turn comes
      if (!open) return;
      const RowSplit split = best_split(node);
      if (worth(split, node)) candidates.push({node, split, split.score / node.total.w});
    };
    nodes_.assign(1, {});
    consider(root());
    for (std::size_t leaves = 1; leaves < max_leaves && !candidates.empty(); ++leaves) {
      const Candidate best = candidates.top();
      candidates.pop();
      search_.load(rows_.data() + best.node.first, best.node.rows());
      const auto [left, right] = apply(best.split, best.node);
      consider(right);
      consider(left);
    }
  }

 private:
  OpenNode root() const {
    return {.first = 0, .last = rows_.size(), .total = {}, .key = growth_.task.seed};
  }

  /// Loads the node.
  bool may_be_split(OpenNode& node) {
    if (growth_.task.stop.stop_requested())
      throw core::Error(core::ErrorCode::kCancelled, "the fit was stopped");
    search_.load(rows_.data() + node.first, node.rows());
    node.total = search_.total();
    return growth_.divisible(node) && !search_.pure();
  }

  RowSplit best_split(const OpenNode& node) {
    NodeStream stream(node.key);
    return search_.best(rows_.data() + node.first, node.rows(), stream);
  }

  bool worth(const RowSplit& split, const OpenNode& node) const noexcept {
    return split.score >= 0.0 && growth_.worth(split.score, node);
  }

  void leaf(const OpenNode& node) { search_.leaf(nodes_[node.node], node.rows()); }

  /// Requires: the node is loaded.
  std::pair<OpenNode, OpenNode> apply(const RowSplit& split, const OpenNode& node) {
    std::uint32_t* rows = rows_.data() + node.first;
    std::uint32_t* room = room_.data();
    const std::size_t n = node.rows();
    const std::uint8_t* sides = search_.sides(split, rows, n);
    std::size_t n_left = 0;
    std::size_t n_right = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint32_t row = rows[i];
      rows[n_left] = row;
      room[n_right] = row;
      n_left += sides[i];
      n_right += 1U - sides[i];
    }
    std::copy_n(room, n_right, rows + n_left);
    const auto left_node = static_cast<std::uint32_t>(nodes_.size());
    nodes_.resize(nodes_.size() + 2);
    GrownNode& parent = nodes_[node.node];
    parent = {.gain = growth_.scale * split.score / node.total.w,
              .below = split.below,
              .above = split.above,
              .threshold = split.threshold,
              .feature = split.feature,
              .left = left_node,
              .right = left_node + 1,
              .missing_left = split.has_missing ? split.missing_left : n_left > n - n_left};
    search_.inner(parent);
    const std::size_t middle = node.first + n_left;
    return {{.first = node.first,
             .last = middle,
             .total = {},
             .key = NodeStream::child(node.key, true),
             .node = left_node,
             .depth = node.depth + 1},
            {.first = middle,
             .last = node.last,
             .total = {},
             .key = NodeStream::child(node.key, false),
             .node = left_node + 1,
             .depth = node.depth + 1}};
  }

  const Growth& growth_;
  Search& search_;
  std::vector<std::uint32_t>& rows_;  // of x; a node is a range of them, increasing
  std::vector<std::uint32_t>& room_;
  std::vector<GrownNode>& nodes_;
  std::vector<OpenNode> open_;
};

}  // namespace mutirao::models::internal
