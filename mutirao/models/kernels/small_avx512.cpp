#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "mutirao/models/internal/small_tile.hpp"

// See Note [Small nodes live in registers] in small_tile.hpp.

namespace mutirao::models::internal {
namespace {

constexpr std::size_t kLanes = 8;
constexpr std::size_t kRows = SmallTile::kRows;

__m128i load(const std::uint8_t* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

__m128i load_half(const std::uint8_t* bytes) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
}

/// out[8 * position + list] = lists[list][position].
void transpose(const __m128i (&lists)[kLanes], std::uint8_t* out) {
  __m128i pairs[kLanes];  // lists 0 and 1, 2 and 3, ...: positions 0-7, then 8-15
  for (std::size_t l = 0; l < kLanes; l += 2) {
    pairs[l / 2] = _mm_unpacklo_epi8(lists[l], lists[l + 1]);
    pairs[l / 2 + 4] = _mm_unpackhi_epi8(lists[l], lists[l + 1]);
  }
  for (std::size_t half = 0; half < 2; ++half) {
    const __m128i* pair = pairs + 4 * half;
    const __m128i front_low = _mm_unpacklo_epi16(pair[0], pair[1]);
    const __m128i front_high = _mm_unpackhi_epi16(pair[0], pair[1]);
    const __m128i back_low = _mm_unpacklo_epi16(pair[2], pair[3]);
    const __m128i back_high = _mm_unpackhi_epi16(pair[2], pair[3]);
    auto* to = reinterpret_cast<__m128i*>(out + 64 * half);
    _mm_store_si128(to, _mm_unpacklo_epi32(front_low, back_low));
    _mm_store_si128(to + 1, _mm_unpackhi_epi32(front_low, back_low));
    _mm_store_si128(to + 2, _mm_unpacklo_epi32(front_high, back_high));
    _mm_store_si128(to + 3, _mm_unpackhi_epi32(front_high, back_high));
  }
}

void best_cuts_of(const SmallTile& tile, const std::uint32_t* features, std::size_t n_features,
                  std::size_t first, std::size_t count, Sums total, const CutLimits& limits,
                  Cut* cuts) {
  alignas(64) std::uint8_t rows_at[kRows * kLanes];
  alignas(64) std::uint8_t ranks_at[kRows * kLanes];
  __m128i orders[kLanes];
  __m128i ranks[kLanes];
  for (std::size_t l = 0; l < kLanes; ++l) {
    const std::size_t feature = features[l < n_features ? l : n_features - 1];
    orders[l] = load(tile.order(feature) + first);
    ranks[l] = _mm_shuffle_epi8(load(tile.rank(feature)), orders[l]);
  }
  transpose(orders, rows_at);
  transpose(ranks, ranks_at);

  const __m512d wy_low = _mm512_load_pd(tile.wy);
  const __m512d wy_high = _mm512_load_pd(tile.wy + kLanes);
  const __m512d w_low = _mm512_load_pd(tile.w);
  const __m512d w_high = _mm512_load_pd(tile.w + kLanes);
  const __m512d total_wy = _mm512_set1_pd(total.wy);
  const __m512d total_w = _mm512_set1_pd(total.w);
  const __m512d min_weight = _mm512_set1_pd(limits.min_weight);
  const __m512d zero = _mm512_setzero_pd();
  __m512d wyl = zero;
  __m512d wl = zero;
  const auto add = [&](std::size_t i) {
    const __m512i rows = _mm512_maskz_cvtepu8_epi64(0xff, load_half(rows_at + kLanes * i));
    wyl = _mm512_add_pd(wyl, _mm512_permutex2var_pd(wy_low, rows, wy_high));
    wl = _mm512_add_pd(wl, _mm512_permutex2var_pd(w_low, rows, w_high));
  };
  // Cuts leave min_rows rows on both sides; the rows before the first such cut are only summed.
  const std::size_t begin = limits.min_rows - 1;
  const std::size_t end = count - limits.min_rows;
  for (std::size_t i = 0; i < begin; ++i) add(i);
  __m512d best = _mm512_set1_pd(-1.0);
  __m512i left = _mm512_setzero_si512();
  __m512d left_wy = zero;
  __m512d left_w = zero;
  for (std::size_t i = begin; i < end; ++i) {
    add(i);
    const __m512d wr = _mm512_sub_pd(total_w, wl);
    const __m512d d = _mm512_sub_pd(_mm512_mul_pd(wyl, total_w), _mm512_mul_pd(total_wy, wl));
    const __m512d denominator = _mm512_mul_pd(wl, wr);
    const __m512d score = _mm512_div_pd(_mm512_mul_pd(d, d), denominator);
    const __mmask16 tied = _mm_cmpeq_epi8_mask(load_half(ranks_at + kLanes * i),
                                               load_half(ranks_at + kLanes * (i + 1)));
    const auto better =
        static_cast<__mmask8>(_mm512_cmp_pd_mask(score, best, _CMP_GT_OQ) &
                              _mm512_cmp_pd_mask(denominator, zero, _CMP_GT_OQ) &
                              _mm512_cmp_pd_mask(wl, min_weight, _CMP_GE_OQ) &
                              _mm512_cmp_pd_mask(wr, min_weight, _CMP_GE_OQ) & ~tied);
    best = _mm512_mask_mov_pd(best, better, score);
    left = _mm512_mask_mov_epi64(left, better, _mm512_set1_epi64(static_cast<long long>(i + 1)));
    left_wy = _mm512_mask_mov_pd(left_wy, better, wyl);
    left_w = _mm512_mask_mov_pd(left_w, better, wl);
  }
  alignas(64) double scores[kLanes];
  alignas(64) std::uint64_t lefts[kLanes];
  alignas(64) double left_wys[kLanes];
  alignas(64) double left_ws[kLanes];
  _mm512_store_pd(scores, best);
  _mm512_store_si512(lefts, left);
  _mm512_store_pd(left_wys, left_wy);
  _mm512_store_pd(left_ws, left_w);
  for (std::size_t l = 0; l < n_features; ++l) {
    cuts[l] = {
        .score = scores[l], .left = lefts[l], .left_total = {.wy = left_wys[l], .w = left_ws[l]}};
  }
}

void best_cuts(const SmallTile& tile, const std::uint32_t* features, std::size_t n_features,
               std::size_t first, std::size_t count, Sums total, const CutLimits& limits,
               Cut* cuts) {
  if (count < 2 * limits.min_rows || count < 2) {
    for (std::size_t l = 0; l < n_features; ++l) cuts[l] = {};
    return;
  }
  for (std::size_t l = 0; l < n_features; l += kLanes) {
    best_cuts_of(tile, features + l, n_features - l < kLanes ? n_features - l : kLanes, first,
                 count, total, limits, cuts + l);
  }
}

void partition(SmallTile& tile, const std::uint32_t* features, std::size_t n_features,
               std::size_t first, std::size_t count, std::uint32_t left) {
  const __m128i goes_left = _mm_movm_epi8(static_cast<__mmask16>(left));
  const auto range = static_cast<__mmask16>((1U << count) - 1);
  for (std::size_t l = 0; l < n_features; ++l) {
    std::uint8_t* list = tile.order(features[l]) + first;
    const __m128i rows = load(list);
    const auto to_left =
        static_cast<__mmask16>(_mm_movepi8_mask(_mm_shuffle_epi8(goes_left, rows)) & range);
    const auto to_right = static_cast<__mmask16>(~to_left & range);
    const int n_left = __builtin_popcount(to_left);
    const auto behind = static_cast<__mmask16>(range >> n_left << n_left);
    const __m128i front = _mm_maskz_compress_epi8(to_left, rows);
    const __m128i back = _mm_maskz_compress_epi8(to_right, rows);
    _mm_mask_storeu_epi8(list, range, _mm_mask_expand_epi8(front, behind, back));
  }
}

}  // namespace

extern const SmallKernels kSmallKernelsAvx512 = {.best_cuts = best_cuts, .partition = partition};

}  // namespace mutirao::models::internal
