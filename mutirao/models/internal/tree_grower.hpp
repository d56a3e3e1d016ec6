#pragma once

// Grows one tree on rank-coded columns.
//
// Note [Sorted lists are carried down]: every column's rows are sorted once per data set
// (RankedMatrix). A tree keeps one list of its rows per column, in the order of that column. A node
// is the same range [first, last) of every list. The best cut of a column is found in one pass over
// its range; splitting a node moves the rows of the left child to the front of the range in every
// list, stably, so both children's ranges are sorted again. Nothing is ever sorted twice.
//
// Note [Tiles]: rows have numbers local to a tile, so that a list entry (rank and row) takes four
// bytes in a tile of up to 65,535 rows, eight in a larger one. A large tree is grown in a wide tile
// until its nodes fit narrow ones; a single tree is cut into tiles that several threads grow. Where
// it is cut depends on the numbers of rows alone, never on threads.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "mutirao/core/instruction_set.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/models/internal/grown_nodes.hpp"
#include "mutirao/models/internal/impurity.hpp"
#include "mutirao/models/internal/seen_matrix.hpp"
#include "mutirao/models/ranked_matrix.hpp"

namespace mutirao::models::internal {

/// TreeOptions for a given number of rows and features.
struct GrowthLimits {
  std::size_t max_depth = SIZE_MAX;
  std::size_t min_samples_split = 2;
  std::size_t min_samples_leaf = 1;
  double min_weight_fraction_leaf = 0.0;
  std::size_t max_features = 1;
  std::size_t max_leaf_nodes = 0;  ///< 0: no limit, depth first; else best first
  double min_impurity_decrease = 0.0;
  double ccp_alpha = 0.0;
};

class CodedRows;
class RowRanks;
class RowValues;

struct TreeTask {
  SeenMatrix x;
  const RankedMatrix* ranked = nullptr;
  const CodedRows* coded = nullptr;       ///< of all rows of x, where that is worth it
  const RowRanks* row_ranks = nullptr;    ///< for classes, or where few features are looked at
  const RowValues* row_values = nullptr;  ///< thresholds are drawn; all above are not needed then
  std::span<const double> y;              ///< per row of x; for classes 0, 1, ...
  std::size_t n_classes = 0;              ///< 0: y are numbers
  Impurity impurity = Impurity::kSquaredError;
  std::span<const std::uint32_t> rows;  ///< distinct, increasing, of positive weight
  std::span<const double> weights;      ///< per entry of rows; empty: all 1
  std::uint64_t seed = 0;               ///< of this tree
  core::InstructionSet instruction_set = core::InstructionSet::kBaseline;
  std::stop_token stop;
};

/// Whether such a tree is grown on sums of its targets rather than on counts of classes.
inline bool grown_on_sums(std::size_t n_classes, Impurity impurity) noexcept {
  return n_classes == 0 || (n_classes <= 2 && impurity == Impurity::kGini);
}
/// Whether sorting in each node is less work than carrying the sorted lists of all features down.
bool looks_at_few(const GrowthLimits& limits, std::size_t n_features) noexcept;

/// Memory that is used again for the next tree on the same thread.
class TreeScratch {
 public:
  TreeScratch();
  ~TreeScratch();
  TreeScratch(TreeScratch&&) noexcept;
  TreeScratch& operator=(TreeScratch&&) noexcept;
  struct Buffers;
  Buffers& buffers() noexcept { return *buffers_; }

 private:
  std::unique_ptr<Buffers> buffers_;
};

/// Grows the tree on the calling thread; with a budget, on its free cores too. The budget does not
/// change the tree, but a tree grown without one differs: it is not cut into tiles. Throws
/// core::Error(kCancelled) on a stop.
GrownTree grow_tree(const TreeTask& task, const GrowthLimits& limits, TreeScratch& scratch,
                    exec::CoreBudget* budget = nullptr, std::size_t max_cores = 0);

}  // namespace mutirao::models::internal
