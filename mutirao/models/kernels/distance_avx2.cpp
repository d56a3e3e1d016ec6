#include "mutirao/models/internal/distance_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace avx2 {

constexpr std::size_t kLanes = 4;

#include "mutirao/models/internal/distance_kernels_portable.hpp"

}  // namespace avx2
}  // namespace

extern const DistanceKernels kDistanceKernelsAvx2 = {.distances = avx2::distances};

}  // namespace mutirao::models::internal
