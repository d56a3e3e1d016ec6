#pragma once

// Passes over the rows of a training set, in blocks, on several threads, with sums that do not
// depend on how many.
//
// Rows are divided into chunks by their number alone. A chunk is one unit of work: its rows are
// brought, some hundred at a time, into a block: columns less their shift, times the root of the
// row's weight. What a chunk adds up is combined in the order of the chunks.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "mutirao/exec/core_budget.hpp"
#include "mutirao/models/estimator.hpp"
#include "mutirao/models/internal/gram_kernels.hpp"

namespace mutirao::models::internal {

/// What is taken off a column: `first`, then `second`: together more digits than one double has.
struct Shift {
  double first = 0.0;
  double second = 0.0;
};

class ColumnBlocks {
 public:
  /// `columns`: the columns of x that take part.
  ColumnBlocks(const TrainingSet& training, std::vector<std::size_t> columns,
               exec::CoreBudget& budget, std::size_t max_cores);

  std::size_t rows() const noexcept { return rows_; }
  std::size_t cols() const noexcept { return columns_.size(); }
  std::span<const std::size_t> columns() const noexcept { return columns_; }
  /// Per column of columns(), then the target's: what blocks are shifted by.
  std::vector<Shift>& shifts() noexcept { return shifts_; }
  /// A shift near the mean of each column, from a few rows; exactly the value of a constant column.
  void guess_shifts();

  /// visit(block, rows, sum): block holds cols() + 2 columns: those of x, the target, the roots of
  /// the weights. `sum` has `sum_size` numbers, for the visitor to add to. Gives their total.
  using Visit = std::function<void(double* block, std::size_t rows, double* sum)>;
  std::vector<double> add_up(std::size_t sum_size, const Visit& visit) const;

  /// The (cols() + 2)^2 products of all pairs of block columns; the lower half is not set.
  std::vector<double> gram() const;
  /// Products of each column with the residual of `coefficients` (cols() of them).
  std::vector<double> residual_products(std::span<const double> coefficients) const;

  std::size_t chunks() const noexcept { return (rows_ + chunk_rows_ - 1) / chunk_rows_; }
  std::size_t chunk_rows() const noexcept { return chunk_rows_; }
  /// Fills a block with rows first .. first + count - 1; the rest up to `padded` is zeros.
  void fill(std::size_t first, std::size_t count, std::size_t padded, double* block) const;
  exec::CoreBudget& budget() const noexcept { return budget_; }
  std::size_t max_cores() const noexcept { return max_cores_; }

 private:
  std::size_t row(std::size_t i) const noexcept {
    return training_.rows ? (*training_.rows)[i] : i;
  }
  std::size_t block_rows() const noexcept;

  const TrainingSet& training_;
  std::vector<std::size_t> columns_;
  exec::CoreBudget& budget_;
  std::size_t max_cores_;
  std::size_t rows_;
  std::size_t chunk_rows_;
  std::vector<Shift> shifts_;
  const GramKernels& kernels_;
};

/// Throws core::InvalidInput, naming column and row, when a value of x is missing or infinite.
void check_finite(const TrainingSet& training, exec::CoreBudget& budget, std::size_t max_cores);

}  // namespace mutirao::models::internal
