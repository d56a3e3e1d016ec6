#pragma once

// What the rows of a tree are to be told apart by, and what its leaves say.
//
// A search loads a node: its rows' targets, in their order, become dense arrays, with totals.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "mutirao/models/internal/growth.hpp"
#include "mutirao/models/internal/impurity.hpp"

namespace mutirao::models::internal {

/// Numbers; also two classes under the gini impurity, as the numbers 0 and 1.
class SumTargets {
 public:
  void begin(const Growth& growth) {
    const TreeTask& task = growth.task;
    sums_.resize(task.x.rows);
    y_.resize(task.x.rows);
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

/// Classes, by their counts. Within a node they are numbered anew, as they appear.
class ClassTargets {
 public:
  void begin(const Growth& growth) {
    const TreeTask& task = growth.task;
    class_of_.resize(task.x.rows);
    weight_of_.resize(task.x.rows);
    for (std::size_t i = 0; i < task.rows.size(); ++i) {
      const std::size_t row = task.rows[i];
      class_of_[row] = static_cast<std::uint16_t>(task.y[row]);
      weight_of_[row] = task.weights.empty() ? 1.0 : task.weights[i];
    }
    number_.assign(task.n_classes, kNone);
    entropy_ = growth.task.impurity == Impurity::kEntropy;
    distributions_.clear();
  }

  void load(const std::uint32_t* rows, std::size_t n) {
    classes_.resize(std::max(classes_.size(), n));
    weights_.resize(std::max(weights_.size(), n));
    seen_.clear();
    totals_.clear();
    weight_ = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint16_t c = class_of_[rows[i]];
      if (number_[c] == kNone) {
        number_[c] = static_cast<std::uint32_t>(seen_.size());
        seen_.push_back(c);
        totals_.push_back(0.0);
      }
      classes_[i] = static_cast<std::uint16_t>(number_[c]);
      weights_[i] = weight_of_[rows[i]];
      totals_[classes_[i]] += weights_[i];
      weight_ += weights_[i];
    }
    for (const std::uint16_t c : seen_) number_[c] = kNone;
    measure_ = 0.0;
    for (const double total : totals_) measure_ += entropy_ ? x_log2_x(total) : total * total;
  }
  double weight() const noexcept { return weight_; }
  bool pure() const noexcept { return seen_.size() == 1; }
  bool entropy() const noexcept { return entropy_; }
  /// Classes of the node, and the weight of each.
  std::size_t classes() const noexcept { return seen_.size(); }
  const std::vector<double>& totals() const noexcept { return totals_; }
  /// Sum over the classes of the square of their weight, or of weight x log2(weight).
  double measure() const noexcept { return measure_; }
  /// Per row of the node.
  const std::uint16_t* class_of() const noexcept { return classes_.data(); }
  const double* weights() const noexcept { return weights_.data(); }

  /// Weight of the node times the fall of weight x impurity, for sides of these weights and
  /// measures; not negative.
  double score(double wl, double left, double wr, double right) const noexcept {
    const double fall =
        entropy_
            ? weight_ * (x_log2_x(weight_) - measure_ - x_log2_x(wl) + left - x_log2_x(wr) + right)
            : weight_ * (left / wl + right / wr) - measure_;
    return std::max(fall, 0.0);
  }

  void leaf(const Growth& growth, GrownNode& node, std::size_t /*n*/) {
    inner(growth, node);
    node.gain = entropy_ ? x_log2_x(weight_) - measure_ : weight_ - measure_ / weight_;
    if (pure() || growth.task.n_classes < 3) return;
    node.distribution = add_distribution(growth);
  }
  void inner(const Growth& growth, GrownNode& node) {
    node.distribution = seen_[0];
    if (growth.task.n_classes < 3) {
      node.value = 0.0;
      for (std::size_t c = 0; c < seen_.size(); ++c) {
        if (seen_[c] == 1) node.value = totals_[c] / weight_;
      }
    } else if (growth.limits.ccp_alpha > 0.0) {
      node.distribution = add_distribution(growth);  // in case it is pruned to a leaf
    }
  }
  /// Rows of n_classes numbers that nodes refer to.
  const std::vector<double>& distributions() const noexcept { return distributions_; }

 private:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

  std::uint32_t add_distribution(const Growth& growth) {
    const std::size_t n_classes = growth.task.n_classes;
    const std::size_t row = distributions_.size() / n_classes;
    distributions_.resize(distributions_.size() + n_classes, 0.0);
    for (std::size_t c = 0; c < seen_.size(); ++c)
      distributions_[row * n_classes + seen_[c]] = totals_[c] / weight_;
    return static_cast<std::uint32_t>(n_classes + row);
  }

  std::vector<std::uint16_t> class_of_;  // per row of x
  std::vector<double> weight_of_;
  std::vector<std::uint16_t> classes_;  // per row of the node
  std::vector<double> weights_;
  std::vector<std::uint16_t> seen_;  // the classes of the node
  std::vector<double> totals_;
  std::vector<std::uint32_t> number_;  // per class, while a node is loaded
  std::vector<double> distributions_;
  double weight_ = 0.0;
  double measure_ = 0.0;
  bool entropy_ = false;
};

}  // namespace mutirao::models::internal
