#pragma once

// Distances of points to rows, once per instruction set.

#include <cstddef>
#include <cstdint>

#include "mutirao/core/instruction_set.hpp"

namespace mutirao::models::internal {

/// Rows of a panel, and points that are compared with it at once.
inline constexpr std::size_t kPanelRows = 32;
inline constexpr std::size_t kPanelPoints = 6;

struct DistanceKernels {
  /// The same bytes on each set, for every row is summed on its own, column after column.
  /// out[i] = sum over j of |columns[j * stride + i] - point[j]|^p, for i < rows; p is 1 or 2.
  void (*distances)(const double* columns, std::size_t stride, std::size_t cols, std::size_t rows,
                    const double* point, int p, double* out);
  /// Bit i of masks[panel * kPanelPoints + q]: for row i of the panel, its own number plus the sum
  /// over the columns of its value times the point's is not known to be limits[q] or more. A panel
  /// is kPanelRows own numbers, then so many values of each column; `points` has kPanelPoints
  /// numbers for each column. Sums are rounded differently on each set.
  void (*below)(const float* panels, std::size_t n_panels, std::size_t cols, const float* points,
                const float* limits, std::uint32_t* masks);
};

const DistanceKernels& distance_kernels(core::InstructionSet set);

}  // namespace mutirao::models::internal
