#include "mutirao/models/internal/least_squares.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include <Eigen/Cholesky>
#include <Eigen/QR>
#include <Eigen/SVD>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/column_blocks.hpp"

namespace mutirao::models::internal {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using Solver = LinearRegression::Solver;

/// Below these reciprocal condition numbers of the scaled Gram matrix (squares of the columns'),
/// the next rung is taken.
constexpr double kLeastForCholesky = 1e-10;
constexpr double kLeastForCholeskyQr = 1e-14;
/// A refinement step this small, relative to the solution, ends the refinement.
constexpr double kConverged = 1e-10;
constexpr int kMostSteps = 4;
/// Rows that are brought into a Householder decomposition at a time, at least.
constexpr std::size_t kQrRows = 512;

Index index(std::size_t value) { return static_cast<Index>(value); }

/// The centred problem: products of columns (of x, then the target) less their means.
struct Centred {
  MatrixXd products;         // (p + 1) x (p + 1)
  std::vector<Shift> means;  // p + 1
};

Centred centre(ColumnBlocks& blocks, bool fit_intercept) {
  const std::size_t p = blocks.cols();
  const std::size_t q = p + 2;
  Centred result;
  for (int attempt = 0;; ++attempt) {
    const std::vector<double> gram = blocks.gram();
    const auto at = [&](std::size_t i, std::size_t j) {
      return gram[std::min(i, j) * q + std::max(i, j)];
    };
    const double weight = at(p + 1, p + 1);
    result.products.resize(index(p + 1), index(p + 1));
    bool far_off = false;
    for (std::size_t j = 0; j <= p; ++j) {
      for (std::size_t i = 0; i <= j; ++i) {
        const double off = fit_intercept ? at(i, p + 1) * at(j, p + 1) / weight : 0.0;
        result.products(index(i), index(j)) = result.products(index(j), index(i)) = at(i, j) - off;
      }
      const double centred = result.products(index(j), index(j));
      far_off |= centred < 1e-4 * at(j, j);
    }
    if (fit_intercept) {
      for (std::size_t j = 0; j <= p; ++j) {
        Shift& shift = blocks.shifts()[j];
        shift.second += at(j, p + 1) / weight;
        if (far_off && attempt == 0) {
          const double sum = shift.first + shift.second;
          shift = {.first = sum, .second = shift.second - (sum - shift.first)};
        }
      }
    }
    // The guess was far from the mean, and digits were lost: once more with the mean.
    if (!far_off || !fit_intercept || attempt != 0) break;
  }
  result.means = blocks.shifts();
  return result;
}

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

/// Applies steps until they are small; false when they do not become so.
template <class Step>
bool refine(VectorXd& solution, double target_norm, const Step& step) {
  double before = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kMostSteps; ++i) {
    const VectorXd correction = step(solution);
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
    const bool converged = refine(solution, target_norm, [&](const VectorXd& now) -> VectorXd {
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

/// The upper triangle of a QR decomposition, at most as many rows as columns.
MatrixXd triangle_of(const MatrixXd& matrix) {
  const Eigen::HouseholderQR<MatrixXd> qr(matrix);
  const Index rows = std::min(matrix.rows(), matrix.cols());
  MatrixXd triangle = qr.matrixQR().topRows(rows);
  triangle.triangularView<Eigen::StrictlyLower>().setZero();
  return triangle;
}

MatrixXd stacked(const MatrixXd& top, const MatrixXd& bottom) {
  MatrixXd both(top.rows() + bottom.rows(), bottom.cols());
  both << top, bottom;
  return both;
}

/// R of the columns and the target, chunk by chunk (Demmel, Grigori, Hoemmen, Langou 2012).
MatrixXd triangle_of(const ColumnBlocks& blocks) {
  const std::size_t q = blocks.cols() + 1;
  const std::size_t height = std::max(kQrRows, 4 * q);
  std::vector<MatrixXd> triangles(blocks.chunks());
  blocks.budget().for_each(
      blocks.chunks(),
      [&](std::size_t chunk, std::size_t) {
        MatrixXd& triangle = triangles[chunk];
        triangle.resize(0, index(q));
        const std::size_t last = std::min(blocks.rows(), (chunk + 1) * blocks.chunk_rows());
        for (std::size_t first = chunk * blocks.chunk_rows(); first < last; first += height) {
          const std::size_t count = std::min(height, last - first);
          MatrixXd block(index(count), index(q + 1));  // the roots of the weights come last
          blocks.fill(first, count, count, block.data());
          triangle = triangle_of(stacked(triangle, block.leftCols(index(q))));
        }
      },
      blocks.max_cores());
  MatrixXd all = std::move(triangles[0]);
  for (std::size_t chunk = 1; chunk < triangles.size(); ++chunk)
    all = triangle_of(stacked(all, triangles[chunk]));
  return all;
}

struct Cut {
  VectorXd coefficients;
  std::size_t rank = 0;
};

/// Minimum-norm solution of the columns [0, q - 1) of a triangle for its last column.
Cut cut_solution(const MatrixXd& triangle, double least_relative) {
  const Index p = triangle.cols() - 1;
  const Eigen::BDCSVD<MatrixXd> svd(triangle.leftCols(p),
                                    Eigen::ComputeThinU | Eigen::ComputeThinV);
  const VectorXd& values = svd.singularValues();
  Cut cut{.coefficients = VectorXd::Zero(p)};
  const VectorXd rotated = svd.matrixU().transpose() * triangle.col(p);
  for (Index k = 0; k < values.size() && values(k) > least_relative * values(0); ++k) {
    cut.coefficients += svd.matrixV().col(k) * (rotated(k) / values(k));
    ++cut.rank;
  }
  return cut;
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
  if (!centred.products.allFinite()) {
    check_finite(training, budget, max_cores);
    throw core::InvalidInput("the numbers are too large for a linear model",
                             "scale the columns: squares of their values must be finite");
  }

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
      Cut cut = cut_solution(triangle_of(scaled), least);
      if (cut.rank == active.size()) {
        keep(active, cut.coefficients.cwiseQuotient(scale));
      } else {
        cut = cut_solution(triangle, least);
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
  if (fit_intercept) {
    const auto mean = [&](std::size_t j) {
      return static_cast<long double>(centred.means[j].first) + centred.means[j].second;
    };
    long double intercept = mean(p);
    for (std::size_t j = 0; j < p; ++j) intercept -= result.coefficients[j] * mean(j);
    result.intercept = static_cast<double>(intercept);
  }
  for (const double coefficient : result.coefficients) {
    if (!std::isfinite(coefficient))
      throw core::InvalidInput("the numbers are too large for a linear model",
                               "scale the columns: squares of their values must be finite");
  }
  return result;
}

}  // namespace mutirao::models::internal
