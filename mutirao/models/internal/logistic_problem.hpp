#pragma once

// The objective of logistic regression, its gradient and products with its Hessian: sums over
// chunks of rows that do not depend on the number of threads.
//
// Parameters are `outputs()` rows of cols() coefficients and an intercept, one behind the other:
// for two classes one row, the log odds of class 1. Columns are shifted to be near their means; the
// objective is the mean log loss with a penalty:
//   sum w loss / sum w + penalty |coefficients|^2 / 2.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <Eigen/Core>

#include "mutirao/models/estimator.hpp"
#include "mutirao/models/internal/column_blocks.hpp"

namespace mutirao::models::internal {

class LogisticProblem {
 public:
  /// `classes`: per row of x, 0 to n_classes - 1; `weights`: per row of x. Both only where rows are
  /// to be learned from.
  LogisticProblem(const TrainingSet& training, std::vector<std::uint32_t> classes,
                  std::vector<double> weights, std::size_t n_classes, bool fit_intercept,
                  double penalty, exec::CoreBudget& budget, std::size_t max_cores);

  std::size_t outputs() const noexcept { return outputs_; }
  std::size_t cols() const noexcept { return blocks_.cols(); }
  std::size_t stride() const noexcept { return cols() + 1; }
  std::span<const Shift> shifts() const noexcept { return shifts_; }

  /// The objective, and its gradient into `gradient`. Remembers the probabilities.
  double evaluate(const Eigen::VectorXd& parameters, Eigen::VectorXd& gradient);
  /// The Hessian where evaluate() was last, times a direction.
  Eigen::VectorXd hessian_times(const Eigen::VectorXd& direction) const;
  /// The stride() x stride() block of the Hessian that belongs to one output, there.
  Eigen::MatrixXd hessian_block(std::size_t output) const;

 private:
  template <class Visit>
  Eigen::VectorXd add_up(std::size_t sum_size, const Visit& visit) const;
  void add_penalty(const Eigen::VectorXd& of, Eigen::VectorXd& to) const;
  std::size_t row(std::size_t i) const noexcept {
    return training_.rows ? (*training_.rows)[i] : i;
  }

  TrainingSet training_;  // without weights
  std::vector<std::uint32_t> classes_;
  std::vector<double> weights_;
  std::size_t outputs_;
  bool fit_intercept_;
  double penalty_;
  exec::CoreBudget& budget_;
  std::size_t max_cores_;
  ColumnBlocks blocks_;
  std::vector<Shift> shifts_;
  std::size_t chunk_rows_ = 0;  // of a unit of work
  const GramKernels& kernels_;
  /// Per output a run of probabilities of the rows, in order.
  std::vector<double> probabilities_;
};

}  // namespace mutirao::models::internal
