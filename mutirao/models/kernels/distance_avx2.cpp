#include <immintrin.h>

#include "mutirao/models/internal/distance_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace avx2 {

constexpr std::size_t kLanes = 4;
using Floats = __m256;
inline Floats broadcast(float value) { return _mm256_set1_ps(value); }
inline Floats multiplied_added(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
inline std::uint32_t not_at_least(Floats a, Floats limit) {
  return static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, limit, _CMP_NGE_UQ)));
}

#include "mutirao/models/internal/distance_kernels_portable.hpp"

}  // namespace avx2
}  // namespace

extern const DistanceKernels kDistanceKernelsAvx2 = {.distances = avx2::distances,
                                                     .below = avx2::below};

}  // namespace mutirao::models::internal
