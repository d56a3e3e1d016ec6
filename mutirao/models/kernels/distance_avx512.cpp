#include "mutirao/models/internal/distance_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace avx512 {

constexpr std::size_t kLanes = 8;

#include "mutirao/models/internal/distance_kernels_portable.hpp"

}  // namespace avx512
}  // namespace

extern const DistanceKernels kDistanceKernelsAvx512 = {.distances = avx512::distances};

}  // namespace mutirao::models::internal
