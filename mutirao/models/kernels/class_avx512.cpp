#include <immintrin.h>

#include <bit>
#include <cstdint>

#include "mutirao/models/internal/class_kernels.hpp"

namespace mutirao::models::internal {
namespace {
namespace avx512 {

#include "mutirao/models/internal/class_kernels_scalar.hpp"

/// Entries that are looked at together.
constexpr std::size_t kLanes = 16;
constexpr __mmask16 kAll = 0xffff;

/// Of the lanes up to each.
__m512i sums_up_to(__m512i x) {
  const __m512i zero = _mm512_setzero_si512();
  x = _mm512_add_epi32(x, _mm512_maskz_alignr_epi32(kAll, x, zero, 15));
  x = _mm512_add_epi32(x, _mm512_maskz_alignr_epi32(kAll, x, zero, 14));
  x = _mm512_add_epi32(x, _mm512_maskz_alignr_epi32(kAll, x, zero, 12));
  return _mm512_add_epi32(x, _mm512_maskz_alignr_epi32(kAll, x, zero, 8));
}

/// ClassSums behind each of 16 entries.
struct LaneSums {
  __m512i weight = {};
  __m512i squares = {};
  __m512i mixed = {};
};

__m512d low_half(__m512i numbers) {
  return _mm512_maskz_cvtepu32_pd(0xff, _mm512_maskz_extracti64x4_epi64(0xf, numbers, 0));
}
__m512d high_half(__m512i numbers) {
  return _mm512_maskz_cvtepu32_pd(0xff, _mm512_maskz_extracti64x4_epi64(0xf, numbers, 1));
}

/// The values of the cuts behind 16 entries, to 2^-21 of each.
__m512 near_values(__m512i left, __m512i wl, __m512i right, __m512i wr) {
  const auto quotient = [](__m512i a, __m512i b) {
    return _mm512_div_ps(_mm512_maskz_cvtepu32_ps(kAll, a), _mm512_maskz_cvtepu32_ps(kAll, b));
  };
  return _mm512_add_ps(quotient(left, wl), quotient(right, wr));
}

/// The exact ones.
void store_values(__m512i left, __m512i wl, __m512i right, __m512i wr, double* values) {
  _mm512_store_pd(values, _mm512_add_pd(_mm512_div_pd(low_half(left), low_half(wl)),
                                        _mm512_div_pd(low_half(right), low_half(wr))));
  _mm512_store_pd(values + kLanes / 2,
                  _mm512_add_pd(_mm512_div_pd(high_half(left), high_half(wl)),
                                _mm512_div_pd(high_half(right), high_half(wr))));
}

/// Sums of squares below 2^32, so that they fit lanes.
constexpr std::uint32_t kMostLaneWeight = 0xffff;

/// Scans 16 places at a time up to `end`. Per step, source.take(i) takes the places from i on,
/// source.of(c, d, both) is what they add to class c and, if both, class d, in halves of a lane,
/// and source.may() where a cut may follow.
template <class Source>
void scan(Source source, std::size_t end, const ClassCounts& total, const ClassCounts& before,
          double min_weight, ClassCut& best) {
  // Two classes share a lane: one has its lower half, the other one its upper half.
  std::size_t n_classes = 0;
  std::size_t which[kMostCodedClasses + 1];
  __m512i of_all[kMostCodedClasses + 1];
  for (std::size_t c = 0; c < kMostCodedClasses; ++c) {
    if (total.of[c] == 0) continue;
    which[n_classes] = c;
    of_all[n_classes] = _mm512_set1_epi32(static_cast<int>(total.of[c]));
    ++n_classes;
  }
  if (n_classes % 2 != 0) {  // then with one that has no rows
    which[n_classes] = kMostCodedClasses;
    of_all[n_classes] = _mm512_setzero_si512();
  }
  const std::size_t pairs = (n_classes + 1) / 2;
  __m512i counts[kMostCodedClasses / 2];  // on the left of the places at hand, in every lane
  for (std::size_t p = 0; p < pairs; ++p) {
    const std::uint32_t upper = 2 * p + 1 < n_classes ? before.of[which[2 * p + 1]] : 0;
    counts[p] = _mm512_set1_epi32(static_cast<int>(before.of[which[2 * p]] | upper << 16));
  }
  const __m512i last_lane = _mm512_set1_epi32(kLanes - 1);
  const __m512i low_halves = _mm512_set1_epi32(0xffff);
  const __m512i total_weight = _mm512_set1_epi32(static_cast<int>(total.weight));
  const __m512i total_squares = _mm512_set1_epi32(static_cast<int>(total.squares));
  // Weights are whole numbers, and no side is empty.
  const double least_weight = __builtin_ceil(min_weight);
  const __m512i least = _mm512_set1_epi32(least_weight < 1.0 ? 1
                                          : least_weight > static_cast<double>(total.weight)
                                              ? static_cast<int>(total.weight)
                                              : static_cast<int>(least_weight));
  for (std::size_t i = 0; i < end; i += kLanes) {
    source.take(i);
    LaneSums sums;
    for (std::size_t p = 0; p < pairs; ++p) {
      const bool both = 2 * p + 1 < n_classes;
      const __m512i here = source.of(which[2 * p], which[2 * p + 1], both);
      const __m512i pair = _mm512_add_epi32(counts[p], sums_up_to(here));
      counts[p] = _mm512_maskz_permutexvar_epi32(kAll, last_lane, pair);
      const __m512i lower = _mm512_and_si512(pair, low_halves);
      const __m512i upper = _mm512_maskz_srli_epi32(kAll, pair, 16);
      sums.weight = _mm512_add_epi32(sums.weight, _mm512_add_epi32(lower, upper));
      sums.squares = _mm512_add_epi32(
          sums.squares,
          _mm512_add_epi32(_mm512_mullo_epi32(lower, lower), _mm512_mullo_epi32(upper, upper)));
      sums.mixed = _mm512_add_epi32(sums.mixed,
                                    _mm512_add_epi32(_mm512_mullo_epi32(lower, of_all[2 * p]),
                                                     _mm512_mullo_epi32(upper, of_all[2 * p + 1])));
    }
    const __m512i rest = _mm512_sub_epi32(total_weight, sums.weight);
    const __mmask16 may =
        static_cast<__mmask16>(source.may() & _mm512_cmpge_epi32_mask(sums.weight, least) &
                               _mm512_cmpge_epi32_mask(rest, least));
    if (may == 0) continue;
    const __m512i right = _mm512_sub_epi32(_mm512_add_epi32(total_squares, sums.squares),
                                           _mm512_maskz_slli_epi32(kAll, sums.mixed, 1));
    // Most cuts are worse by more than numbers of four bytes are wrong.
    constexpr double kNear = 1.0 - 0x1.0p-19;
    const auto near = static_cast<float>(best.value < 0.0 ? -1.0 : best.value * kNear);
    unsigned better = may & _mm512_cmp_ps_mask(near_values(sums.squares, sums.weight, right, rest),
                                               _mm512_set1_ps(near), _CMP_GE_OQ);
    if (better == 0) continue;
    alignas(64) double value[kLanes];
    store_values(sums.squares, sums.weight, right, rest, value);
    for (; better != 0; better &= better - 1) {
      const auto lane = static_cast<std::size_t>(std::countr_zero(better));
      if (value[lane] > best.value) best = {.value = value[lane], .left = i + lane + 1};
    }
  }
}

/// The entries of a list, up to range.end.
class ListSource {
 public:
  ListSource(const NarrowEntry* entries, const ClassCode* codes, const CutRange& range)
      : entries_(entries), codes_(codes), range_(range) {}

  void take(std::size_t i) {
    const std::size_t left_over = range_.end - i;
    const auto there = left_over >= kLanes ? kAll : static_cast<__mmask16>((1U << left_over) - 1);
    const __m512i low_bits = _mm512_set1_epi32(0xffff);
    const __m512i here = _mm512_loadu_si512(entries_ + i);
    const __m512i next = _mm512_loadu_si512(entries_ + i + 1);
    const __m512i code = _mm512_and_si512(
        _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), there, _mm512_and_si512(here, low_bits),
                                    codes_, sizeof(ClassCode)),
        low_bits);
    class_ = _mm512_and_si512(code, _mm512_set1_epi32(kMostCodedClasses - 1));
    weight_ = _mm512_maskz_srli_epi32(kAll, code, kClassBits);
    upper_weight_ = _mm512_maskz_slli_epi32(kAll, weight_, 16);
    may_ = there & _mm512_cmpge_epu32_mask(_mm512_xor_si512(here, next),
                                           _mm512_set1_epi32(1 << kRankShift<NarrowEntry>));
    if (i < range_.begin) {
      const std::size_t early = range_.begin - i;
      may_ = early >= kLanes ? 0 : static_cast<__mmask16>(may_ & ~((1U << early) - 1));
    }
  }
  __m512i of(std::size_t c, std::size_t d, bool /*both*/) const {
    const auto of_class = [&](std::size_t each) {
      return _mm512_cmpeq_epi32_mask(class_, _mm512_set1_epi32(static_cast<int>(each)));
    };
    const __m512i lower = _mm512_maskz_mov_epi32(of_class(c), weight_);
    return _mm512_mask_mov_epi32(lower, of_class(d), upper_weight_);
  }
  __mmask16 may() const { return may_; }

 private:
  const NarrowEntry* entries_;
  const ClassCode* codes_;
  CutRange range_;
  __m512i class_ = {};
  __m512i weight_ = {};
  __m512i upper_weight_ = {};
  __mmask16 may_ = 0;
};

void best_cut_in_lanes(const NarrowEntry* entries, std::size_t count, const ClassCode* codes,
                       const ClassCounts& total, const ClassCounts& before, std::size_t before_rows,
                       const CutLimits& limits, ClassCut& best) {
  if (total.weight > kMostLaneWeight) {
    best_cut(entries, count, codes, total, before, before_rows, limits, best);
    return;
  }
  const CutRange range(count, before_rows, limits);
  scan(ListSource(entries, codes, range), range.end, total, before, limits.min_weight, best);
}

class SlotSource {
 public:
  explicit SlotSource(const ClassSlots& slots) : slots_(slots) {}

  void take(std::size_t i) {
    first_ = slots_.counts + i;
    all_ = _mm512_setzero_si512();
  }
  __m512i of(std::size_t c, std::size_t d, bool both) {
    __m512i counts = _mm512_loadu_si512(first_ + c * slots_.stride);
    if (both) {
      counts = _mm512_or_si512(
          counts,
          _mm512_maskz_slli_epi32(kAll, _mm512_loadu_si512(first_ + d * slots_.stride), 16));
    }
    all_ = _mm512_or_si512(all_, counts);
    return counts;
  }
  __mmask16 may() const { return _mm512_test_epi32_mask(all_, all_); }

 private:
  ClassSlots slots_;
  const std::uint32_t* first_ = nullptr;
  __m512i all_ = {};
};

void best_slot_cut_in_lanes(const ClassSlots& slots, const ClassCounts& total,
                            const ClassCounts& before, const CutLimits& limits, ClassCut& best) {
  if (total.weight > kMostLaneWeight) {
    best_slot_cut(slots, total, before, limits, best);
    return;
  }
  scan(SlotSource(slots), slots.n, total, before, limits.min_weight, best);
}

}  // namespace avx512
}  // namespace

extern const ClassKernels kClassKernelsAvx512 = {.best_cut = avx512::best_cut_in_lanes,
                                                 .best_slot_cut = avx512::best_slot_cut_in_lanes};

}  // namespace mutirao::models::internal
