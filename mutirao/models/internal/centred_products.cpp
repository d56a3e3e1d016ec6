#include "mutirao/models/internal/centred_products.hpp"

#include <algorithm>
#include <utility>

#include <Eigen/QR>

#include "mutirao/core/error.hpp"

namespace mutirao::models::internal {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;

/// Rows that are brought into a Householder decomposition at a time, at least.
constexpr std::size_t kQrRows = 512;

MatrixXd stacked(const MatrixXd& top, const MatrixXd& bottom) {
  MatrixXd both(top.rows() + bottom.rows(), bottom.cols());
  both << top, bottom;
  return both;
}

}  // namespace

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
    result.weight = weight;
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

double intercept_of(const Centred& centred, std::span<const double> coefficients) {
  const auto mean = [&](std::size_t j) {
    return static_cast<long double>(centred.means[j].first) + centred.means[j].second;
  };
  long double intercept = mean(coefficients.size());
  for (std::size_t j = 0; j < coefficients.size(); ++j) intercept -= coefficients[j] * mean(j);
  return static_cast<double>(intercept);
}

void throw_too_large(const TrainingSet& training, exec::CoreBudget& budget, std::size_t max_cores) {
  check_finite(training, budget, max_cores);
  throw core::InvalidInput("the numbers are too large for a linear model",
                           "scale the columns: squares of their values must be finite");
}

MatrixXd triangle_of(const MatrixXd& matrix) {
  const Eigen::HouseholderQR<MatrixXd> qr(matrix);
  const Index rows = std::min(matrix.rows(), matrix.cols());
  MatrixXd triangle = qr.matrixQR().topRows(rows);
  triangle.triangularView<Eigen::StrictlyLower>().setZero();
  return triangle;
}

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

}  // namespace mutirao::models::internal
