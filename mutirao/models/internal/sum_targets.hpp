#pragma once

// Numbers that the rows of a tree are to be told apart by, and what its leaves say.
//
// A search loads a node: its rows' targets, in their order, become dense arrays, with totals.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mutirao/models/internal/growth.hpp"

namespace mutirao::models::internal {

/// Numbers; also two classes under the gini impurity, as the numbers 0 and 1.
class SumTargets {
 public:
  void begin(const Growth& growth) {
    const TreeTask& task = growth.task;
    sums_.resize(task.x.rows());
    y_.resize(task.x.rows());
    for (std::size_t i = 0; i < task.rows.size(); ++i) {
      const std::size_t row = task.rows[i];
      const double weight = task.weights.empty() ? 1.0 : task.weights[i];
      y_[row] = task.y[row];
      sums_[row] = {.wy = weight * (task.y[row] - growth.centre), .w = weight};
    }
  }

  void load(const std::uint32_t* rows, std::size_t n) {
    rows_ = rows;
    node_.resize(std::max(node_.size(), n));
    total_ = {};
    pure_ = true;
    const double first = y_[rows[0]];
    for (std::size_t i = 0; i < n; ++i) {
      node_[i] = sums_[rows[i]];
      total_.wy += node_[i].wy;
      total_.w += node_[i].w;
      pure_ = pure_ && y_[rows[i]] == first;
    }
  }
  const Sums& total() const noexcept { return total_; }
  double weight() const noexcept { return total_.w; }
  bool pure() const noexcept { return pure_; }
  /// Per row of the node.
  const Sums* sums() const noexcept { return node_.data(); }
  double target(std::size_t row) const noexcept { return y_[row]; }
  const Sums& sums_of(std::size_t row) const noexcept { return sums_[row]; }

  void leaf(const Growth& growth, GrownNode& node, std::size_t n) const {
    make_leaf(
        growth, node, n, [&](std::size_t i) { return y_[rows_[i]]; },
        [&](std::size_t i) { return node_[i].w; });
  }
  void inner(const Growth& growth, GrownNode& node) const noexcept {
    node.value = growth.centre + total_.wy / total_.w;
  }

 private:
  std::vector<Sums> sums_;  // per row of x
  std::vector<double> y_;
  std::vector<Sums> node_;
  const std::uint32_t* rows_ = nullptr;
  Sums total_;
  bool pure_ = false;
};

}  // namespace mutirao::models::internal
