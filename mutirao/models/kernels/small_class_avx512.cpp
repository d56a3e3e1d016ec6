#include <immintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>

#include "mutirao/models/internal/small_class_tile.hpp"

// See Note [Small nodes of classes are masks] in small_class_tile.hpp.

namespace mutirao::models::internal {
namespace {

constexpr std::size_t kLanes = 16;
constexpr __mmask16 kAll = 0xffff;
constexpr std::uint32_t kMissing = 0xffffffffU;

using Mask = SmallClassTile::Mask;
constexpr std::size_t kMostVectors = SmallClassTile::kRows / kLanes;

__mmask16 lanes_of(Mask mask, std::size_t v) { return static_cast<__mmask16>(mask >> v * kLanes); }

/// Per lane, the sum of the products of four bytes, those of b being signed.
__m512i products(__m512i a, __m512i b) {
  return _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), _mm512_set1_epi16(1));
}

std::uint32_t number_in(__m128i lanes) {
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(lanes));
}

__m128i lowest_quarter(__m512i x) { return _mm512_maskz_extracti32x4_epi32(0xf, x, 0); }

/// combine(a, b) over all lanes, into each of them.
template <class Combine>
__m512i over_lanes(__m512i x, Combine combine) {
  x = combine(x, _mm512_maskz_shuffle_i64x2(0xff, x, x, 0x4e));
  x = combine(x, _mm512_maskz_shuffle_i64x2(0xff, x, x, 0xb1));
  x = combine(x, _mm512_maskz_shuffle_epi32(kAll, x, _MM_PERM_BADC));
  return combine(x, _mm512_maskz_shuffle_epi32(kAll, x, _MM_PERM_CDAB));
}

__m512i least_over_lanes(__m512i x) {
  return over_lanes(x, [](__m512i a, __m512i b) { return _mm512_maskz_min_epu32(kAll, a, b); });
}

__m512i most_over_lanes(__m512i x) {
  return over_lanes(x, [](__m512i a, __m512i b) { return _mm512_maskz_max_epu32(kAll, a, b); });
}

double most_of(__m512d x) {
  const auto most = [](__m512d a, __m512d b) { return _mm512_maskz_max_pd(0xff, a, b); };
  x = most(x, _mm512_maskz_shuffle_f64x2(0xff, x, x, 0x4e));
  x = most(x, _mm512_maskz_shuffle_f64x2(0xff, x, x, 0xb1));
  return _mm512_cvtsd_f64(most(x, _mm512_maskz_permute_pd(0xff, x, 0x55)));
}

template <class Combine>
float over_floats(__m512 x, Combine combine) {
  x = combine(x, _mm512_maskz_shuffle_f32x4(kAll, x, x, 0x4e));
  x = combine(x, _mm512_maskz_shuffle_f32x4(kAll, x, x, 0xb1));
  x = combine(x, _mm512_maskz_permute_ps(kAll, x, 0x4e));
  return _mm512_cvtss_f32(combine(x, _mm512_maskz_permute_ps(kAll, x, 0xb1)));
}

__m512i all_lanes(std::uint32_t number) { return _mm512_set1_epi32(static_cast<int>(number)); }

template <std::size_t kVectors>
void count_lanes(const SmallClassTile& tile, SmallClassNode& node) {
  alignas(16) std::uint32_t words[SmallClassTile::kWords] = {};
  for (std::size_t word = 0; word < tile.words; ++word) {
    const Mask rows = node.mask & tile.of_word[word];
    __m512i sum = _mm512_setzero_si512();
    for (std::size_t v = 0; v < kVectors; ++v) {
      sum = _mm512_mask_add_epi32(sum, lanes_of(rows, v), sum,
                                  _mm512_load_si512(tile.code.data() + v * kLanes));
    }
    sum = over_lanes(sum, [](__m512i a, __m512i b) { return _mm512_add_epi32(a, b); });
    words[word] = number_in(lowest_quarter(sum));
  }
  const __m128i counts = _mm_load_si128(reinterpret_cast<const __m128i*>(words));
  _mm_store_si128(reinterpret_cast<__m128i*>(node.counts.data()), counts);
  const __m128i sums = _mm_sad_epu8(counts, _mm_setzero_si128());
  node.weight = number_in(sums) + number_in(_mm_unpackhi_epi64(sums, sums));
  __m128i squares = _mm_madd_epi16(_mm_maddubs_epi16(counts, counts), _mm_set1_epi16(1));
  squares = _mm_add_epi32(squares, _mm_unpackhi_epi64(squares, squares));
  node.squares = number_in(squares) + number_in(_mm_shuffle_epi32(squares, 1));
}

void count(const SmallClassTile& tile, SmallClassNode& node) {
  return tile.rows <= kLanes ? count_lanes<1>(tile, node) : count_lanes<kMostVectors>(tile, node);
}

__m512d quotients(__m512i a, __m512i b, int half) {
  const auto doubles = [&](__m512i x) {
    return _mm512_maskz_cvtepi32_pd(0xff, half == 0 ? _mm512_maskz_extracti64x4_epi64(0xf, x, 0)
                                                    : _mm512_maskz_extracti64x4_epi64(0xf, x, 1));
  };
  return _mm512_div_pd(doubles(a), doubles(b));
}

/// Ranks of the rows of a node.
template <std::size_t kVectors>
struct Ranks {
  const std::uint32_t* in_memory;
  __m512i lanes[kVectors];
  Mask present;
  Mask missing;
};

template <std::size_t kVectors>
Mask rows_up_to(const Ranks<kVectors>& ranks, __m512i rank) {
  Mask mask = 0;
  for (std::size_t v = 0; v < kVectors; ++v) {
    mask |= Mask{_mm512_cmple_epu32_mask(ranks.lanes[v], rank)} << v * kLanes;
  }
  return mask;
}

/// The least rank of the rows in `mask`.
template <std::size_t kVectors>
std::uint32_t least_rank(const Ranks<kVectors>& ranks, Mask mask) {
  __m512i least = all_lanes(kMissing);
  for (std::size_t v = 0; v < kVectors; ++v)
    least = _mm512_mask_min_epu32(least, lanes_of(mask, v), least, ranks.lanes[v]);
  return number_in(lowest_quarter(least_over_lanes(least)));
}

template <std::size_t kVectors>
Mask rows_at(const Ranks<kVectors>& ranks, std::uint32_t rank) {
  Mask mask = 0;
  for (std::size_t v = 0; v < kVectors; ++v) {
    mask |= Mask{_mm512_cmpeq_epi32_mask(ranks.lanes[v], all_lanes(rank))} << v * kLanes;
  }
  return mask;
}

/// The best cut, if it is better, with missing rows on the given side.
template <std::size_t kVectors>
void scan(const SmallClassTile& tile, const Ranks<kVectors>& ranks, const SmallClassNode& node,
          std::uint32_t least_weight, bool missing_left, SmallClassCut& best) {
  __m512i weight[kVectors] = {};
  __m512i squares[kVectors] = {};
  __m512i mixed[kVectors] = {};  // the products of the counts on the left with those of all
  for (std::size_t word = 0; word < tile.words; ++word) {
    std::uint32_t first = 0;
    Mask rows = ranks.missing & tile.of_word[word];
    for (; missing_left && rows != 0; rows &= rows - 1) first += tile.code[std::countr_zero(rows)];
    __m512i left[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) left[v] = all_lanes(first);
    for (rows = ranks.present & tile.of_word[word]; rows != 0; rows &= rows - 1) {
      const int row = std::countr_zero(rows);
      const __m512i rank = all_lanes(ranks.in_memory[row]);
      const __m512i code = all_lanes(tile.code[row]);
      for (std::size_t v = 0; v < kVectors; ++v) {
        left[v] = _mm512_mask_add_epi32(left[v], _mm512_cmple_epu32_mask(rank, ranks.lanes[v]),
                                        left[v], code);
      }
    }
    std::uint32_t all;
    __builtin_memcpy(&all, node.counts.data() + word * sizeof all, sizeof all);
    for (std::size_t v = 0; v < kVectors; ++v) {
      weight[v] = _mm512_add_epi32(weight[v], products(left[v], _mm512_set1_epi8(1)));
      squares[v] = _mm512_add_epi32(squares[v], products(left[v], left[v]));
      mixed[v] = _mm512_add_epi32(mixed[v], products(left[v], all_lanes(all)));
    }
  }
  const __m512i least = all_lanes(least_weight);
  constexpr std::size_t kHalves = 2;
  __mmask16 may[kVectors];
  __m512d values[kVectors][kHalves];
  __m512d most = _mm512_set1_pd(best.value);
  for (std::size_t v = 0; v < kVectors; ++v) {
    const __m512i rest = _mm512_sub_epi32(all_lanes(node.weight), weight[v]);
    may[v] = _mm512_mask_cmpge_epi32_mask(lanes_of(ranks.present, v), rest, least);
    may[v] = _mm512_mask_cmpge_epi32_mask(may[v], weight[v], least);
    const __m512i right = _mm512_sub_epi32(_mm512_add_epi32(all_lanes(node.squares), squares[v]),
                                           _mm512_maskz_slli_epi32(kAll, mixed[v], 1));
    for (int half = 0; half < 2; ++half) {
      values[v][half] =
          _mm512_add_pd(quotients(squares[v], weight[v], half), quotients(right, rest, half));
      most = _mm512_mask_max_pd(most, static_cast<__mmask8>(may[v] >> 8 * half), most,
                                values[v][half]);
    }
  }
  const double value = most_of(most);
  if (!(value > best.value)) return;
  // Of those that are equal the first.
  Mask equal = 0;
  for (std::size_t v = 0; v < kVectors; ++v) {
    for (int half = 0; half < 2; ++half) {
      const __mmask8 here =
          _mm512_mask_cmp_pd_mask(static_cast<__mmask8>(may[v] >> 8 * half), values[v][half],
                                  _mm512_set1_pd(value), _CMP_EQ_OQ);
      equal |= Mask{here} << (v * kLanes + 8 * static_cast<std::size_t>(half));
    }
  }
  const std::uint32_t rank = (equal & (equal - 1)) == 0 ? ranks.in_memory[std::countr_zero(equal)]
                                                        : least_rank(ranks, equal);
  const Mask up_to = ranks.present & rows_up_to(ranks, all_lanes(rank));
  best = {.value = value,
          .left = up_to | (missing_left ? ranks.missing : 0),
          .missing = ranks.missing,
          .missing_left = missing_left};
}

template <std::size_t kVectors>
bool best_cut_in_lanes(const SmallClassTile& tile, const std::uint32_t* in_memory,
                       const SmallClassNode& node, double min_weight, SmallClassCut& best) {
  Ranks<kVectors> ranks{.in_memory = in_memory, .lanes = {}, .present = 0, .missing = 0};
  for (std::size_t v = 0; v < kVectors; ++v)
    ranks.lanes[v] = _mm512_loadu_si512(in_memory + v * kLanes);
  if ((node.mask & ~rows_at(ranks, in_memory[std::countr_zero(node.mask)])) == 0) return false;
  ranks.missing = node.mask & rows_at(ranks, kMissing);
  ranks.present = node.mask & ~ranks.missing;
  // Weights are whole numbers, and no side is empty.
  const double least = __builtin_ceil(min_weight);
  const std::uint32_t least_weight = least < 1.0           ? 1
                                     : least > node.weight ? node.weight
                                                           : static_cast<std::uint32_t>(least);
  scan(tile, ranks, node, least_weight, false, best);
  if (ranks.missing != 0) scan(tile, ranks, node, least_weight, true, best);
  return true;
}

bool best_cut(const SmallClassTile& tile, const std::uint32_t* ranks, const SmallClassNode& node,
              double min_weight, SmallClassCut& best) {
  return tile.rows <= kLanes ? best_cut_in_lanes<1>(tile, ranks, node, min_weight, best)
                             : best_cut_in_lanes<kMostVectors>(tile, ranks, node, min_weight, best);
}

SmallNeighbours neighbours(const std::uint32_t* ranks, Mask left, Mask right) {
  __m512i most = _mm512_setzero_si512();
  __m512i least = all_lanes(kMissing);
  __m512i lanes[kMostVectors];
  for (std::size_t v = 0; v < kMostVectors; ++v) {
    lanes[v] = _mm512_loadu_si512(ranks + v * kLanes);
    most = _mm512_mask_max_epu32(most, lanes_of(left, v), most, lanes[v]);
    least = _mm512_mask_min_epu32(least, lanes_of(right, v), least, lanes[v]);
  }
  const auto row_at = [&](__m512i rank, Mask mask) {
    Mask rows = 0;
    for (std::size_t v = 0; v < kMostVectors; ++v) {
      rows |= Mask{_mm512_cmpeq_epi32_mask(lanes[v], rank)} << v * kLanes;
    }
    return static_cast<std::size_t>(std::countr_zero(rows & mask));
  };
  return {.below = row_at(most_over_lanes(most), left),
          .above = row_at(least_over_lanes(least), right)};
}

bool bounds(const float* values, Mask mask, SmallBounds& bounds) {
  __m512 least = _mm512_set1_ps(__builtin_inff());
  __m512 most = _mm512_set1_ps(-__builtin_inff());
  Mask missing = 0;
  for (std::size_t v = 0; v < kMostVectors; ++v) {
    const __m512 lanes = _mm512_loadu_ps(values + v * kLanes);
    const __mmask16 none = _mm512_mask_cmp_ps_mask(lanes_of(mask, v), lanes, lanes, _CMP_UNORD_Q);
    const auto present = static_cast<__mmask16>(lanes_of(mask, v) & ~none);
    least = _mm512_mask_min_ps(least, present, least, lanes);
    most = _mm512_mask_max_ps(most, present, most, lanes);
    missing |= Mask{none} << v * kLanes;
  }
  const auto smaller = [](__m512 a, __m512 b) { return _mm512_maskz_min_ps(kAll, a, b); };
  const auto larger = [](__m512 a, __m512 b) { return _mm512_maskz_max_ps(kAll, a, b); };
  bounds = {
      .least = over_floats(least, smaller), .most = over_floats(most, larger), .missing = missing};
  return missing != mask && (missing != 0 || bounds.least != bounds.most);
}

Mask up_to(const float* values, Mask mask, float threshold) {
  Mask rows = 0;
  for (std::size_t v = 0; v < kMostVectors; ++v) {
    const __mmask16 here =
        _mm512_mask_cmp_ps_mask(lanes_of(mask, v), _mm512_loadu_ps(values + v * kLanes),
                                _mm512_set1_ps(threshold), _CMP_LE_OQ);
    rows |= Mask{here} << v * kLanes;
  }
  return rows;
}

}  // namespace

extern const SmallClassKernels kSmallClassKernelsAvx512 = {.count = count,
                                                           .best_cut = best_cut,
                                                           .neighbours = neighbours,
                                                           .bounds = bounds,
                                                           .up_to = up_to};

}  // namespace mutirao::models::internal
