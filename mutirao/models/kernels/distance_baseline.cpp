#include "mutirao/models/internal/distance_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace baseline {

constexpr std::size_t kLanes = 2;

#include "mutirao/models/internal/distance_kernels_portable.hpp"

}  // namespace baseline
}  // namespace

extern const DistanceKernels kDistanceKernelsBaseline = {.distances = baseline::distances};

}  // namespace mutirao::models::internal
