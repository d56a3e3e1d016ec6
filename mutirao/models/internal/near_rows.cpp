#include "mutirao/models/internal/near_rows.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mutirao::models::internal {
namespace {

constexpr double kRounding = 0x1p-24;  // of single precision, relatively
/// Of the largest distance and its inverse, so that squares and their sums stay finite.
constexpr int kMostExponent = 400;
/// Norm of a point, where that of the farthest row is about 1.
constexpr double kMostSize = 1e6;

}  // namespace

NearRows::NearRows(std::span<const double> x, std::size_t rows, std::size_t cols)
    : cols_(cols),
      means_(cols),
      values_((rows + kPanelRows - 1) / kPanelRows * kPanelRows * (cols + 1)),
      sizes_((rows + kPanelRows - 1) / kPanelRows) {
  double largest = 0.0;
  for (std::size_t j = 0; j < cols; ++j) {
    const std::span<const double> column = x.subspan(j * rows, rows);
    for (const double value : column) means_[j] += value / static_cast<double>(rows);
    for (const double value : column) largest = std::max(largest, std::abs(value - means_[j]));
  }
  int exponent = 0;
  std::frexp(largest, &exponent);
  scale_ = std::ldexp(1.0, std::clamp(-exponent, -kMostExponent, kMostExponent));
  std::vector<double> squares(sizes_.size() * kPanelRows, std::numeric_limits<double>::infinity());
  std::fill_n(squares.begin(), rows, 0.0);
  for (std::size_t j = 0; j < cols; ++j) {
    for (std::size_t i = 0; i < rows; ++i) {
      const double value = (x[j * rows + i] - means_[j]) * scale_;
      const std::size_t panel = i / kPanelRows * kPanelRows;
      values_[panel * (cols + 1) + (j + 1) * kPanelRows + i - panel] = static_cast<float>(value);
      squares[i] += value * value;
    }
  }
  for (std::size_t i = 0; i < squares.size(); ++i) {
    const std::size_t panel = i / kPanelRows;
    values_[panel * kPanelRows * (cols + 1) + i % kPanelRows] = static_cast<float>(squares[i]);
    if (i < rows) sizes_[panel] = std::max(sizes_[panel], std::sqrt(squares[i]));
  }
}

bool NearRows::take(std::span<const double> points, std::size_t count, Points& to) const {
  to.values.assign(cols_ * kPanelPoints, 0.0F);
  for (std::size_t q = 0; q < count; ++q) {
    double square = 0.0;
    for (std::size_t j = 0; j < cols_; ++j) {
      const double value = (points[q * cols_ + j] - means_[j]) * scale_;
      to.values[j * kPanelPoints + q] = static_cast<float>(-2.0 * value);
      square += value * value;
    }
    to.squares[q] = square;
    to.sizes[q] = std::sqrt(square);
    if (!(to.sizes[q] <= kMostSize)) return false;
  }
  return true;
}

void NearRows::mark(const DistanceKernels& kernels, const Points& points,
                    const double (&worst)[kPanelPoints], std::size_t first, std::size_t last,
                    std::uint32_t* masks) const {
  const double largest = *std::max_element(sizes_.begin() + static_cast<std::ptrdiff_t>(first),
                                           sizes_.begin() + static_cast<std::ptrdiff_t>(last));
  float limits[kPanelPoints];
  for (std::size_t q = 0; q < kPanelPoints; ++q) {
    // Rounding of the numbers and of cols + 1 steps (Higham 2002, 3.1), of what `worst` was summed
    // from, and of the limit itself, all bounded by the square of the sizes; and of numbers that
    // single precision has no digits for.
    const double size = largest + points.sizes[q];
    const double wrong =
        (static_cast<double>(cols_) + 16.0) * kRounding * size * size + 0x1p-120 * (1.0 + size);
    const double limit = worst[q] * scale_ * scale_ - points.squares[q] + wrong;
    limits[q] = static_cast<float>(limit + 4.0 * kRounding * std::abs(limit));
  }
  kernels.below(values_.data() + first * kPanelRows * (cols_ + 1), last - first, cols_,
                points.values.data(), limits, masks);
}

}  // namespace mutirao::models::internal
