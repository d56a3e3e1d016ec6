#pragma once

// Distances of one point to a block of rows, once per instruction set: the same bytes on each, for
// every row is summed on its own, column after column.

#include <cstddef>

#include "mutirao/core/instruction_set.hpp"

namespace mutirao::models::internal {

struct DistanceKernels {
  /// out[i] = sum over j of |columns[j * stride + i] - point[j]|^p, for i < rows; p is 1 or 2.
  void (*distances)(const double* columns, std::size_t stride, std::size_t cols, std::size_t rows,
                    const double* point, int p, double* out);
};

const DistanceKernels& distance_kernels(core::InstructionSet set);

}  // namespace mutirao::models::internal
