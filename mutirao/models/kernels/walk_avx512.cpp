#include <immintrin.h>

#include <bit>
#include <type_traits>

#include "mutirao/models/internal/exit_table.hpp"
#include "mutirao/models/internal/node_word.hpp"
#include "mutirao/models/internal/walk_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace avx512 {

// See Note [Walks in lists]; here eight walks take a step at once. A walk is a 64-bit number: its
// index in the upper half, the word where it is in the lower.

/// All lanes. The unmasked forms of some instructions make GCC 12 warn of a register not set.
constexpr __mmask8 kAll = 0xff;

struct Tree {
  const std::uint64_t* words;
  const float* rows;
  __m128i row_shift;  // from a walk's index to where its row begins; 64: there is but one row
  __m128i jump_shift;
  __m512i feature_mask;
  __m512i far_jump;
};

Tree tree_of(const std::uint64_t* words, const float* rows, unsigned feature_bits,
             unsigned row_shift) {
  return {.words = words,
          .rows = rows,
          .row_shift = _mm_cvtsi32_si128(static_cast<int>(row_shift)),
          .jump_shift = _mm_cvtsi32_si128(static_cast<int>(35 + feature_bits)),
          .feature_mask = _mm512_set1_epi64((std::int64_t{1} << feature_bits) - 1),
          .far_jump = _mm512_set1_epi64(static_cast<std::int64_t>(NodeWord::far(feature_bits)))};
}

/// Where `live` of eight walks go, and which of them come to a leaf there.
inline __m512i step(const Tree& tree, __m512i walks, __mmask8 live, __mmask8& leaf) {
  const __m512i one = _mm512_set1_epi64(1);
  const __m512i lower = _mm512_set1_epi64(0xffffffff);
  const __m512i at = _mm512_and_si512(walks, lower);
  const __m512i index = _mm512_maskz_srli_epi64(kAll, walks, 32);
  const __m512i word = _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), live, at, tree.words, 8);
  const __m512i feature =
      _mm512_and_si512(_mm512_maskz_srli_epi64(kAll, word, 35), tree.feature_mask);
  const __m256 value = _mm512_mask_i64gather_ps(
      _mm256_setzero_ps(), live,
      _mm512_add_epi64(_mm512_maskz_sll_epi64(kAll, index, tree.row_shift), feature), tree.rows,
      sizeof(float));
  const __m256 threshold = _mm256_castsi256_ps(_mm512_maskz_cvtepi64_epi32(kAll, word));
  const __mmask8 missing_right =
      _mm512_testn_epi64_mask(word, _mm512_set1_epi64(std::int64_t{1} << 34));
  const auto right =
      static_cast<__mmask8>(_mm256_cmp_ps_mask(value, threshold, _CMP_GT_OQ) |
                            (_mm256_cmp_ps_mask(value, value, _CMP_UNORD_Q) & missing_right));
  __m512i jump = _mm512_maskz_srl_epi64(kAll, word, tree.jump_shift);
  __m512i child = _mm512_add_epi64(at, one);
  const __mmask8 far = _mm512_mask_cmpeq_epi64_mask(live, jump, tree.far_jump);
  if (far != 0) [[unlikely]] {
    jump = _mm512_mask_i64gather_epi64(jump, far, child, tree.words, 8);
    child = _mm512_mask_add_epi64(child, far, child, one);
  }
  child = _mm512_mask_add_epi64(child, right, child, jump);
  const __mmask8 left_leaf = _mm512_test_epi64_mask(word, _mm512_set1_epi64(std::int64_t{1} << 32));
  const __mmask8 right_leaf =
      _mm512_test_epi64_mask(word, _mm512_set1_epi64(std::int64_t{1} << 33));
  leaf = static_cast<__mmask8>(((right & right_leaf) | (~right & left_leaf)) & live);
  return _mm512_or_si512(_mm512_maskz_andnot_epi64(kAll, lower, walks), child);
}

/// start(i): the word where walk i begins; arrive(i, word): it has come to the leaf `word`, in any
/// order.
template <class Start, class Arrive>
inline __attribute__((always_inline)) void walk(Tree tree, std::size_t count, Start start,
                                                Arrive arrive) {
  // Whole vectors are written where the walks that count end, so each list has room for one more.
  alignas(64) std::uint64_t lists[2][kListed + 8];
  alignas(64) std::uint64_t ended[kListed + 8];
  const auto stride = static_cast<unsigned>(_mm_cvtsi128_si32(tree.row_shift));
  for (std::size_t first = 0; first < count; first += kListed) {
    std::size_t walking = count - first < kListed ? count - first : kListed;
    for (std::size_t i = 0; i < walking; ++i)
      lists[0][i] = std::uint64_t{i} << 32 | start(first + i);
    std::uint64_t* from = lists[0];
    std::uint64_t* to = lists[1];
    std::size_t n_ended = 0;
    while (walking != 0) {
      std::size_t kept = 0;
      for (std::size_t i = 0; i < walking; i += 8) {
        const __mmask8 live =
            walking - i < 8 ? static_cast<__mmask8>((1U << (walking - i)) - 1) : kAll;
        __mmask8 leaf;
        const __m512i next = step(tree, _mm512_load_si512(from + i), live, leaf);
        alignas(64) std::uint64_t asked[8];
        _mm512_store_si512(asked, next);
        for (const std::uint64_t walk : asked)
          __builtin_prefetch(tree.words + static_cast<std::uint32_t>(walk));
        const auto inner = static_cast<__mmask8>(live & ~leaf);
        _mm512_storeu_si512(to + kept, _mm512_maskz_compress_epi64(inner, next));
        _mm512_storeu_si512(ended + n_ended, _mm512_maskz_compress_epi64(leaf, next));
        kept += static_cast<unsigned>(std::popcount(static_cast<unsigned>(inner)));
        n_ended += static_cast<unsigned>(std::popcount(static_cast<unsigned>(leaf)));
      }
      walking = kept;
      std::uint64_t* const done = from;
      from = to;
      to = done;
    }
    for (std::size_t i = 0; i < n_ended; ++i)
      arrive(first + (ended[i] >> 32), tree.words[static_cast<std::uint32_t>(ended[i])]);
    if (stride < 64) tree.rows += kListed << stride;
  }
}

void add_leaves(const std::uint64_t* words, const float* rows, unsigned feature_bits,
                std::size_t count, double* sum) {
  walk(
      tree_of(words, rows, feature_bits, feature_bits), count, [](std::size_t) { return 0U; },
      [=](std::size_t i, std::uint64_t word) { sum[i] += std::bit_cast<double>(word); });
}

void find_leaves(const std::uint64_t* words, const float* rows, unsigned feature_bits,
                 std::size_t count, std::uint64_t* leaf) {
  walk(
      tree_of(words, rows, feature_bits, feature_bits), count, [](std::size_t) { return 0U; },
      [=](std::size_t i, std::uint64_t word) { leaf[i] = word; });
}

void find_leaves_of_row(const std::uint64_t* words, const std::uint32_t* roots, const float* row,
                        unsigned feature_bits, std::size_t count, std::uint64_t* leaf) {
  walk(
      tree_of(words, row, feature_bits, 64), count, [=](std::size_t i) { return roots[i]; },
      [=](std::size_t i, std::uint64_t word) { leaf[i] = word; });
}

inline __attribute__((always_inline)) __m256 lower_half(__m512 numbers) {
  return __builtin_shufflevector(numbers, numbers, 0, 1, 2, 3, 4, 5, 6, 7);
}

/// The numbers that seven nodes ask for. What fits registers is looked up there.
template <std::size_t Width>
inline __attribute__((always_inline)) __m256 values_of(const NodeBlock& block, const float* row) {
  if constexpr (Width == 16 || Width == 32) {
    // The upper half of these is not looked at.
    const __m512i feature = _mm512_maskz_cvtepu16_epi32(
        0xffff, _mm256_load_si256(reinterpret_cast<const __m256i*>(block.feature)));
    const __m512 low = _mm512_loadu_ps(row);
    if constexpr (Width == 16) return lower_half(_mm512_maskz_permutexvar_ps(0xff, feature, low));
    return lower_half(_mm512_maskz_permutex2var_ps(0xff, low, feature, _mm512_loadu_ps(row + 16)));
  }
  const __m256i feature = _mm256_maskz_cvtepu16_epi32(
      0xff, _mm_load_si128(reinterpret_cast<const __m128i*>(block.feature)));
  if constexpr (Width == 8) return _mm256_maskz_permutexvar_ps(0xff, feature, _mm256_loadu_ps(row));
  return _mm256_mmask_i32gather_ps(_mm256_setzero_ps(), 0xff, feature, row, sizeof(float));
}

template <std::size_t Width, bool Missing>
inline __attribute__((always_inline)) unsigned exit_of(const NodeBlock& block, const float* row) {
  const __m256 threshold = _mm256_load_ps(block.threshold);
  const __m256 value = values_of<Width>(block, row);
  unsigned right = _mm256_cmp_ps_mask(value, threshold, _CMP_GT_OQ);
  if (Missing) right |= _mm256_cmp_ps_mask(value, value, _CMP_UNORD_Q) & block.missing_right;
  return kExitTable.exit[right];
}

#include "mutirao/models/internal/walk_blocks_portable.hpp"

}  // namespace avx512
}  // namespace

extern const WalkKernels kWalkKernelsAvx512 = {.add_leaves = avx512::add_leaves,
                                               .find_leaves = avx512::find_leaves,
                                               .find_leaves_of_row = avx512::find_leaves_of_row,
                                               .add_blocked_leaves = avx512::add_blocked_leaves,
                                               .find_blocked_leaves = avx512::find_blocked_leaves};

}  // namespace mutirao::models::internal
