#pragma once

// The training rows of models that predict from the nearest of them, and the search.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "mutirao/exec/core_budget.hpp"
#include "mutirao/models/estimator.hpp"
#include "mutirao/models/internal/near_rows.hpp"
#include "mutirao/models/internal/sections.hpp"

namespace mutirao::models::internal {

struct Neighbour {
  double distance = 0.0;  ///< a sum of squares for p = 2
  std::uint32_t row = 0;
  bool operator<(const Neighbour& other) const noexcept {
    return distance < other.distance || (distance == other.distance && row < other.row);
  }
};

class NeighbourRows {
 public:
  /// Copies the rows of positive weight.
  NeighbourRows(const TrainingSet& training, int p);
  NeighbourRows(const SectionReader& reader, int p);
  ~NeighbourRows();

  std::size_t rows() const noexcept { return y_.size(); }
  std::size_t cols() const noexcept { return cols_; }
  std::span<const double> y() const noexcept { return y_; }
  void save(SectionWriter& writer) const;

  /// Calls visit(i, neighbours, counts) for each i < n, from any thread: the k nearest to row
  /// rows[i] of x (row i without rows), nearest first, and what each counts; these sum to 1.
  using Visit = std::function<void(std::size_t i, std::span<const Neighbour> neighbours,
                                   std::span<const double> counts)>;
  void search(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows, std::size_t n,
              std::size_t k, bool by_distance, exec::CoreBudget& budget, const Visit& visit) const;
  /// Searches with a k-d tree from now on, or without.
  void index(bool tree);
  /// Few enough columns, and rows enough, for a k-d tree to leave out most rows.
  bool suits_tree() const noexcept;

 private:
  struct Tree;
  /// The k nearest to each of `count` points (row-major), in found[i * k ...].
  void search_all(std::span<const double> points, std::size_t count, std::size_t k,
                  std::vector<Neighbour>& found) const;
  /// The same for a few points, by way of near_.
  bool search_near(std::span<const double> points, std::size_t count, std::size_t k,
                   Neighbour* found) const;

  std::size_t cols_ = 0;
  int p_;
  std::shared_ptr<const void> owner_;
  std::span<const double> x_;  // column-major
  std::span<const double> y_;
  std::span<const double> weight_;  // empty: all 1
  std::unique_ptr<Tree> tree_;
  std::unique_ptr<const NearRows> near_;  // for p = 2 without a tree
};

}  // namespace mutirao::models::internal
