#pragma once

// What linear regressors solve from: products of centred columns, and the triangle of their QR
// decomposition.

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include <Eigen/Core>

#include "mutirao/models/internal/column_blocks.hpp"

namespace mutirao::models::internal {

inline Eigen::Index index(std::size_t value) { return static_cast<Eigen::Index>(value); }

/// The centred problem: products of columns (of x, then the target) less their means.
struct Centred {
  Eigen::MatrixXd products;  // (p + 1) x (p + 1)
  std::vector<Shift> means;  // p + 1; zeros without an intercept
  double weight = 0.0;       // of all rows
};

/// Looks at all rows once, or twice when the shifts of `blocks` were far from the means; leaves the
/// means as their shifts.
Centred centre(ColumnBlocks& blocks, bool fit_intercept);

/// Of the model that has these coefficients.
double intercept_of(const Centred& centred, std::span<const double> coefficients);

/// Says which value is missing or infinite, or that finite ones are too large.
[[noreturn]] void throw_too_large(const TrainingSet& training, exec::CoreBudget& budget,
                                  std::size_t max_cores);

/// The upper triangle of a QR decomposition, at most as many rows as columns.
Eigen::MatrixXd triangle_of(const Eigen::MatrixXd& matrix);
/// R of the columns and the target, chunk by chunk (Demmel, Grigori, Hoemmen, Langou 2012).
Eigen::MatrixXd triangle_of(const ColumnBlocks& blocks);

/// A refinement step this small, relative to the solution, ends the refinement.
inline constexpr double kConverged = 1e-10;
inline constexpr int kMostSteps = 4;

/// Applies steps until they are small; false when they do not become so.
template <class Step>
bool refine(Eigen::VectorXd& solution, double target_norm, const Step& step) {
  double before = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kMostSteps; ++i) {
    const Eigen::VectorXd correction = step(solution);
    const double size = correction.norm();
    if (!std::isfinite(size)) return false;
    solution += correction;
    const double norm = solution.norm();
    if (size <= kConverged * norm || size <= 1e-14 * target_norm) return true;
    if (size > 0.5 * before) return false;
    before = size;
  }
  return false;
}

}  // namespace mutirao::models::internal
