#include "mutirao/models/internal/least_squares.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include <Eigen/Cholesky>

#include "mutirao/models/internal/centred_products.hpp"
#include "mutirao/models/internal/column_blocks.hpp"
#include "mutirao/models/internal/singular_values.hpp"

namespace mutirao::models::internal {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using Solver = LinearRegression::Solver;

/// Reciprocal condition numbers of the scaled Gram matrix (squares of the columns'). Above the
/// first its solution has eleven digits as it is, and the rows need not be seen again.
constexpr double kLeastUnrefined = 1e-4;
/// Below these the next rung is taken.
constexpr double kLeastForCholesky = 1e-10;
constexpr double kLeastForCholeskyQr = 1e-14;

/// One column of each one-hot block that is left out: the commonest. Its centred columns sum to
/// zero, so that the others say everything.
struct Dropped {
  std::vector<bool> column;                      // per column of x
  std::vector<std::vector<std::size_t>> blocks;  // their varying columns
};

Dropped drop_levels(const TrainingSet& training, const Centred& centred,
                    const std::vector<bool>& varies) {
  Dropped dropped{.column = std::vector<bool>(varies.size(), false), .blocks = {}};
  for (const data::OneHotBlock& block : training.one_hot_blocks) {
    std::vector<std::size_t> columns;
    for (std::size_t j = block.first; j < block.first + block.count && j < varies.size(); ++j) {
      if (varies[j]) columns.push_back(j);
    }
    if (columns.size() < 2) continue;
    double square_of_sum = 0.0;
    double squares = 0.0;
    for (const std::size_t i : columns) {
      for (const std::size_t j : columns) square_of_sum += centred.products(index(i), index(j));
      squares += centred.products(index(i), index(i));
    }
    // Unless these rows belie the block.
    if (std::abs(square_of_sum) > 1e-9 * squares) continue;
    const auto commonest =
        std::max_element(columns.begin(), columns.end(), [&](std::size_t a, std::size_t b) {
          return centred.means[a].first + centred.means[a].second <
                 centred.means[b].first + centred.means[b].second;
        });
    dropped.column[*commonest] = true;
    dropped.blocks.push_back(std::move(columns));
  }
  return dropped;
}

/// The products of the active columns with the residual of `scaled` coefficients, scaled.
VectorXd scaled_residual_products(const ColumnBlocks& blocks, const VectorXd& scaled,
                                  const VectorXd& scale) {
  const VectorXd coefficients = scaled.cwiseQuotient(scale);
  const std::vector<double> products = blocks.residual_products(
      {coefficients.data(), static_cast<std::size_t>(coefficients.size())});
  return Eigen::Map<const VectorXd>(products.data(), index(products.size())).cwiseQuotient(scale);
}

struct Solution {
  VectorXd coefficients;  // of the active columns
  Solver solver = Solver::kNone;
};

/// The first two rungs. Nothing when the columns are too close to being dependent.
std::optional<Solution> solve_by_gram(const ColumnBlocks& active, const MatrixXd& products,
                                      const VectorXd& target_products, double target_norm) {
  const Index p = products.rows();
  const VectorXd scale = products.diagonal().cwiseSqrt();
  const VectorXd inverse = scale.cwiseInverse();
  const MatrixXd scaled = inverse.asDiagonal() * products * inverse.asDiagonal();
  const VectorXd right = target_products.cwiseProduct(inverse);
  const Eigen::LLT<MatrixXd> cholesky(scaled);
  if (cholesky.info() != Eigen::Success) return std::nullopt;
  const double condition = cholesky.rcond();
  if (!(condition >= kLeastForCholeskyQr)) return std::nullopt;

  if (condition >= kLeastForCholesky) {
    VectorXd solution = cholesky.solve(right);
    const bool converged = condition >= kLeastUnrefined ||
                           refine(solution, target_norm, [&](const VectorXd& now) -> VectorXd {
                             return cholesky.solve(scaled_residual_products(active, now, scale));
                           });
    if (converged) return Solution{solution.cwiseProduct(inverse), Solver::kCholesky};
  }

  // Cholesky QR, twice: the columns times the inverse of R are nearly orthonormal, and their own
  // Gram matrix tells what is left (Yamamoto, Nakatsukasa, Yanagisawa, Fukaya 2015).
  const MatrixXd r = cholesky.matrixU();
  const std::size_t q = active.cols() + 2;
  const GramKernels& kernels = gram_kernels(core::instruction_set());
  const std::vector<double> gram =
      active.add_up(q * q, [&](double* block, std::size_t rows, double* sum) {
        Eigen::Map<MatrixXd> columns(block, index(rows), p);
        columns = columns * inverse.asDiagonal();
        r.triangularView<Eigen::Upper>().solveInPlace<Eigen::OnTheRight>(columns);
        kernels.add_gram(block, rows, q, sum);
      });
  MatrixXd second(p, p);
  VectorXd rotated(p);
  for (Index i = 0; i < p; ++i) {
    const std::size_t row = static_cast<std::size_t>(i) * q;
    for (Index j = i; j < p; ++j)
      second(i, j) = second(j, i) = gram[row + static_cast<std::size_t>(j)];
    rotated(i) = gram[row + active.cols()];
  }
  if (!((second - MatrixXd::Identity(p, p)).cwiseAbs().maxCoeff() < 0.1)) return std::nullopt;
  const Eigen::LLT<MatrixXd> again(second);
  if (again.info() != Eigen::Success) return std::nullopt;
  const auto back = [&](VectorXd y) -> VectorXd {
    y = again.solve(y);
    return r.triangularView<Eigen::Upper>().solve(y);
  };
  VectorXd solution = back(rotated);
  const bool converged = refine(solution, target_norm, [&](const VectorXd& now) -> VectorXd {
    VectorXd products_now = scaled_residual_products(active, now, scale);
    return back(r.transpose().triangularView<Eigen::Lower>().solve(products_now));
  });
  if (!converged) return std::nullopt;
  return Solution{solution.cwiseProduct(inverse), Solver::kCholeskyQr};
}

}  // namespace

LeastSquares solve_least_squares(const TrainingSet& training, bool fit_intercept,
                                 exec::CoreBudget& budget, std::size_t max_cores) {
  const std::size_t p = training.x.cols;
  std::vector<std::size_t> all(p);
  std::iota(all.begin(), all.end(), std::size_t{0});
  ColumnBlocks blocks(training, all, budget, max_cores);
  if (fit_intercept) blocks.guess_shifts();
  const Centred centred = centre(blocks, fit_intercept);
  if (!centred.products.allFinite()) throw_too_large(training, budget, max_cores);

  std::vector<bool> varies(p);
  for (std::size_t j = 0; j < p; ++j) varies[j] = centred.products(index(j), index(j)) > 0.0;
  const Dropped dropped = fit_intercept
                              ? drop_levels(training, centred, varies)
                              : Dropped{.column = std::vector<bool>(p, false), .blocks = {}};
  std::vector<std::size_t> varying;
  std::vector<std::size_t> active;
  std::vector<Index> active_in_varying;
  for (std::size_t j = 0; j < p; ++j) {
    if (!varies[j]) continue;
    if (!dropped.column[j]) {
      active.push_back(j);
      active_in_varying.push_back(index(varying.size()));
    }
    varying.push_back(j);
  }
  const auto shifts_of = [&](const std::vector<std::size_t>& columns) {
    std::vector<Shift> shifts;
    for (const std::size_t j : columns) shifts.push_back(centred.means[j]);
    shifts.push_back(centred.means[p]);
    return shifts;
  };

  LeastSquares result;
  result.coefficients.assign(p, 0.0);
  result.solver = Solver::kCholesky;
  result.rank = active.size();
  bool sums_to_zero = true;  // whether the dropped levels still have to get their share
  const auto keep = [&](const std::vector<std::size_t>& columns, const VectorXd& coefficients) {
    for (std::size_t k = 0; k < columns.size(); ++k)
      result.coefficients[columns[k]] = coefficients(index(k));
  };
  if (!active.empty()) {
    std::optional<Solution> solution;
    if (blocks.rows() > active.size() + 1) {
      MatrixXd products(index(active.size()), index(active.size()));
      VectorXd target_products(index(active.size()));
      for (std::size_t i = 0; i < active.size(); ++i) {
        for (std::size_t j = 0; j < active.size(); ++j)
          products(index(i), index(j)) = centred.products(index(active[i]), index(active[j]));
        target_products(index(i)) = centred.products(index(active[i]), index(p));
      }
      ColumnBlocks active_blocks(training, active, budget, max_cores);
      active_blocks.shifts() = shifts_of(active);
      solution = solve_by_gram(active_blocks, products, target_products,
                               std::sqrt(std::max(0.0, centred.products(index(p), index(p)))));
    }
    if (solution) {
      result.solver = solution->solver;
      keep(active, solution->coefficients);
    } else {
      result.solver = Solver::kSvd;
      ColumnBlocks varying_blocks(training, varying, budget, max_cores);
      varying_blocks.shifts() = shifts_of(varying);
      const MatrixXd triangle = triangle_of(varying_blocks);
      const double least =
          static_cast<double>(std::max(blocks.rows(), p)) * std::numeric_limits<double>::epsilon();
      // Of full rank once the columns have the same length? Then the solution is unique, and
      // cutting at a threshold that depends on their units would spoil it.
      MatrixXd scaled(triangle.rows(), index(active.size() + 1));
      VectorXd scale(index(active.size()));
      for (std::size_t k = 0; k < active.size(); ++k) {
        const auto column = triangle.col(active_in_varying[k]);
        scale(index(k)) = column.norm();
        scaled.col(index(k)) = column / scale(index(k));
      }
      scaled.col(index(active.size())) = triangle.col(index(varying.size()));
      CutSolution cut = solve_by_singular_values(triangle_of(scaled), least, 0.0);
      if (cut.rank == active.size()) {
        keep(active, cut.coefficients.cwiseQuotient(scale));
      } else {
        cut = solve_by_singular_values(triangle, least, 0.0);
        keep(varying, cut.coefficients);
        sums_to_zero = false;
      }
      result.rank = cut.rank;
    }
  }
  if (sums_to_zero) {
    for (const std::vector<std::size_t>& block : dropped.blocks) {
      double mean = 0.0;
      for (const std::size_t j : block) mean += result.coefficients[j];
      mean /= static_cast<double>(block.size());
      for (const std::size_t j : block) result.coefficients[j] -= mean;
    }
  }
  if (fit_intercept) result.intercept = intercept_of(centred, result.coefficients);
  for (const double coefficient : result.coefficients) {
    if (!std::isfinite(coefficient)) throw_too_large(training, budget, max_cores);
  }
  return result;
}

}  // namespace mutirao::models::internal
