#include <cstdint>
#include <cstring>
#include <limits>

#include "mutirao/models/internal/row_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace avx2 {

#include "mutirao/models/internal/row_kernels_lanes.hpp"

}  // namespace avx2
}  // namespace

extern const RowKernels kRowKernelsAvx2 = {.bounds = avx2::bounds,
                                           .left_sums = avx2::left_sums,
                                           .left_counts = avx2::left_counts,
                                           .left_packed = avx2::left_packed};

}  // namespace mutirao::models::internal
