#include <immintrin.h>

#include "mutirao/models/internal/distance_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace baseline {

constexpr std::size_t kLanes = 2;
using Floats = __m128;
inline Floats broadcast(float value) { return _mm_set1_ps(value); }
inline Floats multiplied_added(Floats a, Floats b, Floats c) {
  return _mm_add_ps(_mm_mul_ps(a, b), c);
}
inline std::uint32_t not_at_least(Floats a, Floats limit) {
  return static_cast<std::uint32_t>(_mm_movemask_ps(_mm_cmpnge_ps(a, limit)));
}

#include "mutirao/models/internal/distance_kernels_portable.hpp"

}  // namespace baseline
}  // namespace

extern const DistanceKernels kDistanceKernelsBaseline = {.distances = baseline::distances,
                                                         .below = baseline::below};

}  // namespace mutirao::models::internal
