#include <cstdint>
#include <cstring>
#include <limits>

#include "mutirao/models/internal/row_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace avx512 {

#include "mutirao/models/internal/row_kernels_lanes.hpp"

}  // namespace avx512
}  // namespace

extern const RowKernels kRowKernelsAvx512 = {.bounds = avx512::bounds,
                                             .left_sums = avx512::left_sums,
                                             .left_counts = avx512::left_counts,
                                             .left_packed = avx512::left_packed};

}  // namespace mutirao::models::internal
