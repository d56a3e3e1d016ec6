#pragma once

// Rows that may be among the nearest, by single-precision distances to all of them.
//
// Note [Filtered distances]
// Squares of distances expand to |x|^2 - 2 q x + |q|^2: one fused multiply-add per number, sixteen
// at once in single precision, for several points q while a panel of rows is in the first cache.
// What single precision can be wrong by is bounded from the sizes of x and q, and a row is left out
// only when it is farther than the worst neighbour by more than that. All others are measured
// exactly, in the order in which the plain search does it: the neighbours are the same, bit for
// bit, however sums are rounded here. In rows of a thousand, a few are measured twice.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mutirao/models/internal/distance_kernels.hpp"

namespace mutirao::models::internal {

class NearRows {
 public:
  /// `x`: rows x cols, column-major, all finite and at most 1e150.
  NearRows(std::span<const double> x, std::size_t rows, std::size_t cols);

  std::size_t panels() const noexcept { return sizes_.size(); }

  /// Up to kPanelPoints points, as the kernels take them.
  struct Points {
    std::vector<float> values;
    double sizes[kPanelPoints] = {};    // their norms, scaled
    double squares[kPanelPoints] = {};  // of these
  };
  /// Row-major, `count` of them. False when they are too far off for single precision.
  bool take(std::span<const double> points, std::size_t count, Points& to) const;

  /// Masks of panels first .. last - 1 (see DistanceKernels::below): every row that is nearer to
  /// point q than the square worst[q] is marked.
  void mark(const DistanceKernels& kernels, const Points& points,
            const double (&worst)[kPanelPoints], std::size_t first, std::size_t last,
            std::uint32_t* masks) const;

 private:
  std::size_t cols_;
  double scale_ = 1.0;         // a power of two
  std::vector<double> means_;  // what columns are shifted by
  std::vector<float> values_;  // panels; rows that are none have an infinite number
  std::vector<double> sizes_;  // per panel: the largest norm
};

}  // namespace mutirao::models::internal
