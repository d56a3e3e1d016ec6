#include <immintrin.h>

#include <bit>

#include "mutirao/models/internal/node_word.hpp"
#include "mutirao/models/internal/walk_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace avx512 {

/// All lanes. The unmasked forms of some instructions make GCC 12 warn of a register not set.
constexpr __mmask8 kAll = 0xff;

/// Eight walks in the lanes of a vector, until the last is done.
struct Walks {
  __m512i at;        // the word where each is
  __m512i row;       // where its row begins
  __mmask8 walking;  // which are not in a leaf yet
};

/// Vectors that take their steps in turns, so that one's wait for memory is another's work.
constexpr std::size_t kVectors = 4;

struct Tree {
  const std::uint64_t* words;
  const float* rows;
  __m128i jump_shift;
  __m512i feature_mask;
  __m512i far_jump;
};

inline void step(const Tree& tree, Walks& walks) {
  const __m512i zero = _mm512_setzero_si512();
  const __m512i one = _mm512_set1_epi64(1);
  const __m512i word = _mm512_mask_i64gather_epi64(zero, walks.walking, walks.at, tree.words, 8);
  const __m512i feature =
      _mm512_and_si512(_mm512_maskz_srli_epi64(kAll, word, 35), tree.feature_mask);
  const __m256 value =
      _mm512_mask_i64gather_ps(_mm256_setzero_ps(), walks.walking,
                               _mm512_add_epi64(walks.row, feature), tree.rows, sizeof(float));
  const __m256 threshold = _mm256_castsi256_ps(_mm512_maskz_cvtepi64_epi32(kAll, word));
  const __mmask8 missing_right =
      _mm512_testn_epi64_mask(word, _mm512_set1_epi64(std::int64_t{1} << 34));
  const auto right =
      static_cast<__mmask8>(_mm256_cmp_ps_mask(value, threshold, _CMP_GT_OQ) |
                            (_mm256_cmp_ps_mask(value, value, _CMP_UNORD_Q) & missing_right));
  __m512i jump = _mm512_maskz_srl_epi64(kAll, word, tree.jump_shift);
  __m512i child = _mm512_add_epi64(walks.at, one);
  const __mmask8 far = _mm512_mask_cmpeq_epi64_mask(walks.walking, jump, tree.far_jump);
  if (far != 0) [[unlikely]] {
    jump = _mm512_mask_i64gather_epi64(jump, far, child, tree.words, 8);
    child = _mm512_mask_add_epi64(child, far, child, one);
  }
  child = _mm512_mask_add_epi64(child, right, child, jump);
  walks.at = _mm512_mask_mov_epi64(walks.at, walks.walking, child);
  const __mmask8 left_leaf = _mm512_test_epi64_mask(word, _mm512_set1_epi64(std::int64_t{1} << 32));
  const __mmask8 right_leaf =
      _mm512_test_epi64_mask(word, _mm512_set1_epi64(std::int64_t{1} << 33));
  const auto leaf = static_cast<__mmask8>((right & right_leaf) | (~right & left_leaf));
  walks.walking = static_cast<__mmask8>(walks.walking & ~leaf);
}

/// arrive(i, inside, at): rows i to i + 7, as far as they are `inside`, have come to the leaves at.
template <class Arrive>
inline __attribute__((always_inline)) void walk(const std::uint64_t* words, const float* rows,
                                                unsigned feature_bits, std::size_t count,
                                                Arrive arrive) {
  const Tree tree = {
      .words = words,
      .rows = rows,
      .jump_shift = _mm_cvtsi32_si128(static_cast<int>(35 + feature_bits)),
      .feature_mask = _mm512_set1_epi64((std::int64_t{1} << feature_bits) - 1),
      .far_jump = _mm512_set1_epi64(static_cast<std::int64_t>(NodeWord::far(feature_bits)))};
  const __m512i lane = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
  for (std::size_t first = 0; first < count; first += 8 * kVectors) {
    Walks vectors[kVectors];
    __mmask8 inside[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) {
      const std::size_t begin = first + 8 * v;
      const std::size_t n = begin >= count ? 0 : count - begin < 8 ? count - begin : 8;
      inside[v] = static_cast<__mmask8>((1U << n) - 1);
      vectors[v] = {
          .at = _mm512_setzero_si512(),
          .row = _mm512_maskz_sll_epi64(
              kAll, _mm512_add_epi64(lane, _mm512_set1_epi64(static_cast<std::int64_t>(begin))),
              _mm_cvtsi32_si128(static_cast<int>(feature_bits))),
          .walking = inside[v]};
    }
    for (bool walking = true; walking;) {
      walking = false;
      for (Walks& walks : vectors) {
        if (walks.walking == 0) continue;
        step(tree, walks);
        walking = true;
      }
    }
    for (std::size_t v = 0; v < kVectors; ++v) {
      if (inside[v] == 0) break;
      arrive(first + 8 * v, inside[v], vectors[v].at);
    }
  }
}

void add_leaves(const std::uint64_t* words, const float* rows, unsigned feature_bits,
                std::size_t count, double* sum) {
  walk(words, rows, feature_bits, count, [=](std::size_t i, __mmask8 inside, __m512i at) {
    const __m512d value =
        _mm512_mask_i64gather_pd(_mm512_setzero_pd(), inside, at, words, sizeof(double));
    _mm512_mask_storeu_pd(sum + i, inside,
                          _mm512_add_pd(_mm512_maskz_loadu_pd(inside, sum + i), value));
  });
}

void find_leaves(const std::uint64_t* words, const float* rows, unsigned feature_bits,
                 std::size_t count, std::uint64_t* leaf) {
  walk(words, rows, feature_bits, count, [=](std::size_t i, __mmask8 inside, __m512i at) {
    _mm512_mask_storeu_epi64(
        leaf + i, inside,
        _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), inside, at, words, 8));
  });
}

}  // namespace avx512
}  // namespace

extern const WalkKernels kWalkKernelsAvx512 = {.add_leaves = avx512::add_leaves,
                                               .find_leaves = avx512::find_leaves};

}  // namespace mutirao::models::internal
