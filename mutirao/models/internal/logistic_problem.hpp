#pragma once

// The objective of logistic regression, its gradient and its Hessian: sums over rows that do not
// depend on the number of threads.
//
// Parameters are `outputs()` rows of cols() coefficients and an intercept, one behind the other:
// for two classes one row, the log odds of class 1. Columns are less their shifts; the objective is
// the mean log loss with a penalty:
//   sum w loss / sum w + penalty |coefficients|^2 / 2.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <Eigen/Core>

#include "mutirao/data/matrix.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/models/internal/logistic_kernels.hpp"

namespace mutirao::models::internal {

/// Rows to learn from, in order: which of x, their classes (0 to n_classes - 1) and what they
/// weigh, more than nothing.
struct ClassedRows {
  std::vector<std::uint32_t> rows;
  std::vector<std::uint32_t> classes;
  std::vector<double> weights;
};

struct LogisticOptions {
  std::size_t n_classes = 2;
  bool fit_intercept = true;
  double penalty = 0.0;
  std::size_t max_cores = 0;
};

class LogisticProblem {
 public:
  /// `shifts`: one per column of x. Requires: x and the budget outlive it.
  LogisticProblem(data::MatrixView x, std::vector<double> shifts, ClassedRows rows,
                  const LogisticOptions& options, exec::CoreBudget& budget);
  LogisticProblem(const LogisticProblem&) = delete;
  LogisticProblem& operator=(const LogisticProblem&) = delete;

  std::size_t outputs() const noexcept { return outputs_; }
  std::size_t rows() const noexcept { return rows_.rows.size(); }
  std::size_t cols() const noexcept { return x_.cols; }
  std::size_t stride() const noexcept { return cols() + 1; }
  exec::CoreBudget& budget() const noexcept { return budget_; }
  std::size_t max_cores() const noexcept { return options_.max_cores; }
  /// Nearly the same problem: on each step-th row of every class, the classes weighing the same.
  LogisticProblem sample(std::size_t step) const;

  /// The objective, and its gradient into `gradient`. Remembers the probabilities.
  double evaluate(const Eigen::VectorXd& parameters, Eigen::VectorXd& gradient);
  /// Where evaluate() was last: hessian_times() is to add up all rows, or to leave out those that
  /// have next to no curvature there, for they are told apart all but perfectly. Whether it does
  /// leave some out.
  bool choose_curved_rows(bool all);
  /// The Hessian where choose_curved_rows() was last, times a direction.
  Eigen::VectorXd hessian_times(const Eigen::VectorXd& direction) const;
  /// Nearly the Hessian where evaluate() was last, from rows enough to tell: whole, with a
  /// curvature also where all classes change alike; or of each output its stride() x stride() block
  /// on the diagonal, one block where all are the same.
  Eigen::MatrixXd rough_hessian() const;
  std::vector<Eigen::MatrixXd> rough_hessian_blocks() const;

 private:
  /// Rows in blocks of block_rows_, the last one padded to kGramLanes with zeros. Of a block:
  /// columns of x and of ones; probabilities of each output.
  struct Blocks {
    std::size_t rows = 0;
    const double* numbers = nullptr;  // null: they are read from x
    const double* weights = nullptr;
    const double* probabilities = nullptr;
  };

  template <class Visit>
  Eigen::VectorXd add_up(const Blocks& blocks, std::size_t sum_size, const Visit& visit) const;
  template <class RowOf>
  void read(const RowOf& row_of, std::size_t count, std::size_t padded, double* block) const;
  /// Brings the block of rows from `first` on nearer.
  void prefetch(std::size_t first) const;
  /// The numbers of rows, blocks of them, as Blocks has them.
  std::vector<double> read_all(std::span<const std::uint32_t> at) const;
  template <class Curvature>
  Eigen::MatrixXd rough_gram(const Curvature& curvature) const;
  void add_penalty(const Eigen::VectorXd& of, Eigen::VectorXd& to) const;

  data::MatrixView x_;
  std::vector<double> shifts_;
  ClassedRows rows_;  // classes and weights padded to kGramLanes; the weights' sum is 1
  LogisticOptions options_;
  exec::CoreBudget& budget_;
  std::size_t outputs_;
  std::size_t block_rows_;
  const GramKernels& gram_kernels_;
  const LogisticKernels& kernels_;
  std::vector<double> numbers_;  // all rows', if they are few
  std::vector<double> probabilities_;
  std::vector<double> doubts_;  // per row weight x (1 - the largest probability)
  bool at_zero_ = false;        // all probabilities are the same
  Blocks curved_;               // what choose_curved_rows() chose
  std::vector<double> curved_numbers_;
  std::vector<double> curved_weights_;
  std::vector<double> curved_probabilities_;
};

}  // namespace mutirao::models::internal
