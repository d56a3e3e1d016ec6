#include <immintrin.h>

#include <bit>
#include <type_traits>

#include "mutirao/models/internal/exit_table.hpp"
#include "mutirao/models/internal/node_word.hpp"
#include "mutirao/models/internal/walk_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace avx2 {

#include "mutirao/models/internal/walk_kernels_scalar.hpp"

template <std::size_t Width, bool Missing>
inline __attribute__((always_inline)) unsigned exit_of(const NodeBlock& block, const float* row) {
  const __m256i feature =
      _mm256_cvtepu16_epi32(_mm_load_si128(reinterpret_cast<const __m128i*>(block.feature)));
  const __m256 threshold = _mm256_load_ps(block.threshold);
  const __m256 value = Width == 8 ? _mm256_permutevar8x32_ps(_mm256_loadu_ps(row), feature)
                                  : _mm256_i32gather_ps(row, feature, sizeof(float));
  auto right =
      static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(value, threshold, _CMP_GT_OQ)));
  if (Missing) {
    right |= static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(value, value, _CMP_UNORD_Q))) &
             block.missing_right;
  }
  return kExitTable.exit[right];
}

#include "mutirao/models/internal/walk_blocks_portable.hpp"

}  // namespace avx2
}  // namespace

extern const WalkKernels kWalkKernelsAvx2 = {.add_leaves = avx2::add_leaves,
                                             .find_leaves = avx2::find_leaves,
                                             .find_leaves_of_row = avx2::find_leaves_of_row,
                                             .add_blocked_leaves = avx2::add_blocked_leaves,
                                             .find_blocked_leaves = avx2::find_blocked_leaves};

}  // namespace mutirao::models::internal
