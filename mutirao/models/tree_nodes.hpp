#pragma once

// Grown trees, eight bytes a node.
//
// Purpose: how fitted trees are kept, stored and walked. Guarantees: prediction equals a walk with
// the exact thresholds: a float64 threshold rounded down to float32 divides float32 values as the
// threshold itself does. Thread safety: immutable; any thread. Lifetime: owns the words, or keeps
// the mapped file alive that holds them. Once many rows are predicted, the trees are also kept in a
// form that is walked sooner, of up to twice the size, unless that is more than some 200 MB.
//
// A tree is a run of 64-bit words in depth-first order, its left child behind each node:
//   leaf   regression: the float64 value
//          one or two classes: the float64 probability of class 1
//          more classes: a number r; below n_classes the leaf is class r for certain, else its
//          probabilities are row r - n_classes of distributions()
//   node   bits 0-31 float32 threshold: x <= threshold goes left
//          bit 32 the left child is a leaf, bit 33 the right child is a leaf
//          bit 34 missing (NaN) goes left
//          bits 35 to 34+F the feature, where F = feature_bits()
//          the rest: words from the left child to the right child; all ones: the next word says it
// Whether the root is a leaf is kept beside the tree.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "mutirao/data/matrix.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/models/level_orders.hpp"

namespace mutirao::models {

namespace internal {
struct BlockedForest;
}

class TreeNodes {
 public:
  /// Where a tree begins in words(), and whether it is a single leaf.
  struct Root {
    std::uint64_t first = 0;
    std::uint64_t is_leaf = 0;
  };

  TreeNodes() = default;
  /// Takes over what was grown. `trees`: one list of words per tree, roots[i].first is set here.
  /// `n_classes`: 0 for regression; `distributions`: those of all trees, from three classes on.
  TreeNodes(std::size_t n_features, std::vector<std::vector<std::uint64_t>> trees,
            std::vector<bool> root_is_leaf, exec::CoreBudget& budget, std::size_t max_cores = 0,
            std::size_t n_classes = 0, std::vector<double> distributions = {});
  /// Refers to words of a model file that `owner` keeps alive. Throws core::CorruptFile unless
  /// every walk ends in a leaf of its own tree and names a feature and a distribution that exist.
  TreeNodes(std::size_t n_features, std::span<const std::uint64_t> words,
            std::span<const Root> roots, std::shared_ptr<const void> owner,
            std::size_t n_classes = 0, std::span<const double> distributions = {});

  std::size_t trees() const noexcept { return roots_.size(); }
  std::size_t n_features() const noexcept { return n_features_; }
  std::span<const std::uint64_t> words() const noexcept { return words_; }
  std::span<const Root> roots() const noexcept { return roots_; }
  /// 0: regression.
  std::size_t n_classes() const noexcept { return n_classes_; }
  /// Probabilities of the leaves that are of several classes: rows of n_classes() numbers. Empty
  /// below three classes.
  std::span<const double> distributions() const noexcept { return distributions_; }
  /// How categories are seen, before anything else is done with a row: thresholds of their nodes
  /// are between positions. Requires: none of its columns is beyond n_features().
  const LevelOrders& level_orders() const noexcept { return *level_orders_; }
  void set_level_orders(LevelOrders levels);
  /// Leaves of tree i, and the longest walk in it.
  std::size_t leaves(std::size_t i) const;
  std::size_t depth(std::size_t i) const;

  /// out[i] = mean over the trees of the prediction for row rows[i] of x (row i without rows).
  void predict_mean(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                    std::span<double> out, exec::CoreBudget& budget) const;
  /// Classes: out[i * n_classes() + c] = mean over the trees of the probability of class c.
  void predict_distributions(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                             std::span<double> out, exec::CoreBudget& budget) const;
  /// sum[i] += the prediction of one tree for row rows[i] of x.
  void add_predictions(std::size_t tree, data::MatrixView x, std::span<const std::uint32_t> rows,
                       std::span<double> sum) const;
  /// Classes: sum[i * n_classes() + c] += the probability that one tree gives class c.
  void add_distributions(std::size_t tree, data::MatrixView x, std::span<const std::uint32_t> rows,
                         std::span<double> sum) const;

  /// Bits that hold a feature index: enough for n_features.
  static unsigned feature_bits(std::size_t n_features) noexcept;

 private:
  std::span<const std::uint64_t> words_of(std::size_t tree) const noexcept {
    const std::uint64_t last = tree + 1 < roots_.size() ? roots_[tree + 1].first : words_.size();
    return words_.subspan(roots_[tree].first, last - roots_[tree].first);
  }
  /// The largest word that a leaf may be: from three classes on, as many classes and distributions
  /// as there are, less 1.
  std::uint64_t most_of_leaf() const noexcept {
    return n_classes_ > 2 ? n_classes_ + distributions_.size() / n_classes_ - 1 : ~std::uint64_t{0};
  }

  /// The forest in blocks where that pays for n_rows more rows, else null.
  const internal::BlockedForest* blocked(std::size_t n_rows, exec::CoreBudget& budget) const;

  std::size_t n_features_ = 0;
  std::shared_ptr<const void> owner_;
  std::span<const std::uint64_t> words_;
  std::span<const Root> roots_;
  std::size_t n_classes_ = 0;
  std::span<const double> distributions_;
  std::shared_ptr<internal::BlockedForest> blocked_;
  std::shared_ptr<const LevelOrders> level_orders_ = std::make_shared<const LevelOrders>();
};

}  // namespace mutirao::models
