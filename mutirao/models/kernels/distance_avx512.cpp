#include <immintrin.h>

#include "mutirao/models/internal/distance_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace avx512 {

constexpr std::size_t kLanes = 8;
using Floats = __m512;
inline Floats broadcast(float value) { return _mm512_set1_ps(value); }
inline Floats multiplied_added(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
inline std::uint32_t not_at_least(Floats a, Floats limit) {
  return _mm512_cmp_ps_mask(a, limit, _CMP_NGE_UQ);
}

#include "mutirao/models/internal/distance_kernels_portable.hpp"

}  // namespace avx512
}  // namespace

extern const DistanceKernels kDistanceKernelsAvx512 = {.distances = avx512::distances,
                                                       .below = avx512::below};

}  // namespace mutirao::models::internal
