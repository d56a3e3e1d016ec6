#include <cstdint>
#include <cstring>
#include <limits>

#include "mutirao/models/internal/row_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace baseline {

#include "mutirao/models/internal/row_kernels_lanes.hpp"

}  // namespace baseline
}  // namespace

extern const RowKernels kRowKernelsBaseline = {.bounds = baseline::bounds,
                                               .left_sums = baseline::left_sums,
                                               .left_counts = baseline::left_counts,
                                               .left_packed = baseline::left_packed};

}  // namespace mutirao::models::internal
