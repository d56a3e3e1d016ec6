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

/// Where the value of the cut behind an entry is at least `floor`; nearly: to 2^-20 of the value.
__mmask16 reach(__m512i left, __m512i wl, __m512i right, __m512i wr, float floor) {
  // left / wl + right / wr, times both weights: products take less time than quotients.
  const auto floats = [](__m512i numbers) { return _mm512_maskz_cvtepu32_ps(kAll, numbers); };
  const __m512 weights = _mm512_mul_ps(floats(wl), floats(wr));
  const __m512 value = _mm512_add_ps(_mm512_mul_ps(floats(left), floats(wr)),
                                     _mm512_mul_ps(floats(right), floats(wl)));
  return _mm512_cmp_ps_mask(value, _mm512_mul_ps(weights, _mm512_set1_ps(floor)), _CMP_GE_OQ);
}

/// The values of the cuts behind eight entries.
template <class Half>
__m512d exact_values(Half half, __m512i left, __m512i wl, __m512i right, __m512i wr) {
  return _mm512_add_pd(_mm512_div_pd(half(left), half(wl)), _mm512_div_pd(half(right), half(wr)));
}

double most_of(__m512d x) {
  x = _mm512_maskz_max_pd(0xff, x, _mm512_maskz_shuffle_f64x2(0xff, x, x, 0x4e));
  x = _mm512_maskz_max_pd(0xff, x, _mm512_maskz_shuffle_f64x2(0xff, x, x, 0xb1));
  x = _mm512_maskz_max_pd(0xff, x, _mm512_maskz_permute_pd(0xff, x, 0x55));
  return _mm512_cvtsd_f64(x);
}

/// Sums of squares below 2^32, so that they fit lanes.
constexpr std::uint32_t kMostLaneWeight = 0xffff;

/// What cuts are worth.
class CutValues {
 public:
  CutValues(const ClassCounts& total, double min_weight)
      : weight_(_mm512_set1_epi32(static_cast<int>(total.weight))),
        squares_(_mm512_set1_epi32(static_cast<int>(total.squares))) {
    // Weights are whole numbers, and no side is empty.
    const double least = __builtin_ceil(min_weight);
    least_ = _mm512_set1_epi32(least < 1.0 ? 1
                               : least > static_cast<double>(total.weight)
                                   ? static_cast<int>(total.weight)
                                   : static_cast<int>(least));
  }

  /// Takes the first of the best cuts behind the places from i on, where there `may` be one, if it
  /// is better.
  void consider(std::size_t i, const LaneSums& left, __mmask16 may, ClassCut& best) const {
    const __m512i rest = _mm512_sub_epi32(weight_, left.weight);
    may = static_cast<__mmask16>(may & _mm512_cmpge_epi32_mask(left.weight, least_) &
                                 _mm512_cmpge_epi32_mask(rest, least_));
    if (may == 0) return;
    const __m512i right = _mm512_sub_epi32(_mm512_add_epi32(squares_, left.squares),
                                           _mm512_maskz_slli_epi32(kAll, left.mixed, 1));
    // Most cuts are worse by more than numbers of four bytes are wrong.
    constexpr double kNear = 1.0 - 0x1.0p-19;
    const auto near = static_cast<float>(best.value < 0.0 ? -1.0 : best.value * kNear);
    may = static_cast<__mmask16>(may & reach(left.squares, left.weight, right, rest, near));
    if (may == 0) return;
    const __m512d low = exact_values(low_half, left.squares, left.weight, right, rest);
    const __m512d high = exact_values(high_half, left.squares, left.weight, right, rest);
    const auto high_may = static_cast<__mmask8>(may >> kLanes / 2);
    __m512d most = _mm512_set1_pd(best.value);
    most = _mm512_mask_max_pd(most, static_cast<__mmask8>(may), most, low);
    most = _mm512_mask_max_pd(most, high_may, most, high);
    const double value = most_of(most);
    if (!(value > best.value)) return;
    const __m512d found = _mm512_set1_pd(value);
    const unsigned equal =
        _mm512_mask_cmp_pd_mask(static_cast<__mmask8>(may), low, found, _CMP_EQ_OQ) |
        static_cast<unsigned>(_mm512_mask_cmp_pd_mask(high_may, high, found, _CMP_EQ_OQ))
            << kLanes / 2;
    best = {.value = value, .left = i + static_cast<std::size_t>(std::countr_zero(equal)) + 1};
  }

 private:
  __m512i weight_;
  __m512i squares_;
  __m512i least_;
};

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
  const CutValues values(total, min_weight);
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
    values.consider(i, sums, source.may(), best);
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
    here_ = _mm512_and_si512(
        _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), there, _mm512_and_si512(here, low_bits),
                                    codes_, sizeof(ClassCode)),
        low_bits);
    may_ = there & _mm512_cmpge_epu32_mask(_mm512_xor_si512(here, next),
                                           _mm512_set1_epi32(1 << kRankShift<NarrowEntry>));
    if (i < range_.begin) {
      const std::size_t early = range_.begin - i;
      may_ = early >= kLanes ? 0 : static_cast<__mmask16>(may_ & ~((1U << early) - 1));
    }
  }
  __m512i of(std::size_t c, std::size_t d, bool /*both*/) const {
    const __m512i classes = _mm512_and_si512(here_, _mm512_set1_epi32(kMostCodedClasses - 1));
    const __m512i weights = _mm512_maskz_srli_epi32(kAll, here_, kClassBits);
    const auto of_class = [&](std::size_t each) {
      return _mm512_cmpeq_epi32_mask(classes, _mm512_set1_epi32(static_cast<int>(each)));
    };
    const __m512i lower = _mm512_maskz_mov_epi32(of_class(c), weights);
    return _mm512_mask_mov_epi32(lower, of_class(d), _mm512_maskz_slli_epi32(kAll, weights, 16));
  }
  /// Zeros where no entry is.
  __m512i codes() const { return here_; }
  __mmask16 may() const { return may_; }

 private:
  const NarrowEntry* entries_;
  const ClassCode* codes_;
  CutRange range_;
  __m512i here_ = {};
  __mmask16 may_ = 0;
};

/// A list of rows of at most four classes, whose counts share eight bytes.
class FourClasses {
 public:
  /// Products of two counts fit a signed number of four bytes, and so do two of them together.
  static constexpr std::uint32_t kMostCount = 0x7fff;

  static bool possible(const ClassCounts& total) {
    const __m512i of = _mm512_loadu_si512(total.of.data());
    return std::popcount(static_cast<unsigned>(_mm512_test_epi32_mask(of, of))) <= 4 &&
           _mm512_cmpgt_epu32_mask(of, _mm512_set1_epi32(kMostCount)) == 0;
  }

  FourClasses(const ClassCounts& total, const ClassCounts& before) {
    const __m512i of = _mm512_loadu_si512(total.of.data());
    const __mmask16 there = _mm512_test_epi32_mask(of, of);
    total_ = packed(of, there);
    left_ = packed(_mm512_loadu_si512(before.of.data()), there);
    const __m512i in_turn = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 48, 32, 16, 0);
    shifts_ = _mm512_maskz_expand_epi32(there, in_turn);
  }

  /// The sums behind each of 16 rows of these codes.
  LaneSums next(__m512i codes) {
    const __m512i weights = _mm512_maskz_srli_epi32(kAll, codes, kClassBits);
    const __m512i shifts = _mm512_maskz_permutexvar_epi32(kAll, codes, shifts_);
    const __m512i low = _mm512_add_epi64(left_, sums_up_to_eight(low_counts(weights, shifts)));
    const __m512i high =
        _mm512_add_epi64(last_of(low), sums_up_to_eight(high_counts(weights, shifts)));
    left_ = last_of(high);
    return {.weight = both(low, high, _mm512_set1_epi16(1)),
            .squares = both_squares(low, high),
            .mixed = both(low, high, total_)};
  }

 private:
  /// The counts of up to four classes, in every lane.
  static __m512i packed(__m512i counts, __mmask16 there) {
    const __m256i first =
        _mm512_maskz_cvtepi32_epi16(kAll, _mm512_maskz_compress_epi32(there, counts));
    return _mm512_maskz_broadcastq_epi64(0xff, _mm256_castsi256_si128(first));
  }
  static __m512i low_counts(__m512i weights, __m512i shifts) {
    return _mm512_maskz_sllv_epi64(
        0xff, _mm512_maskz_cvtepu32_epi64(0xff, _mm512_maskz_extracti64x4_epi64(0xf, weights, 0)),
        _mm512_maskz_cvtepu32_epi64(0xff, _mm512_maskz_extracti64x4_epi64(0xf, shifts, 0)));
  }
  static __m512i high_counts(__m512i weights, __m512i shifts) {
    const auto upper = [](__m512i numbers) {
      return _mm512_maskz_cvtepu32_epi64(0xff, _mm512_maskz_extracti64x4_epi64(0xf, numbers, 1));
    };
    return _mm512_maskz_sllv_epi64(0xff, upper(weights), upper(shifts));
  }
  static __m512i sums_up_to_eight(__m512i x) {
    const __m512i zero = _mm512_setzero_si512();
    x = _mm512_add_epi64(x, _mm512_maskz_alignr_epi64(0xff, x, zero, 7));
    x = _mm512_add_epi64(x, _mm512_maskz_alignr_epi64(0xff, x, zero, 6));
    return _mm512_add_epi64(x, _mm512_maskz_alignr_epi64(0xff, x, zero, 4));
  }
  static __m512i last_of(__m512i x) {
    return _mm512_maskz_permutexvar_epi64(0xff, _mm512_set1_epi64(7), x);
  }
  /// Adds the two halves of each of 16 numbers of eight bytes.
  static __m512i halves_added(__m512i low, __m512i high) {
    const __m512i even =
        _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_add_epi32(_mm512_permutex2var_epi32(low, even, high),
                            _mm512_permutex2var_epi32(low, odd, high));
  }
  static __m512i both(__m512i low, __m512i high, __m512i factors) {
    return halves_added(_mm512_madd_epi16(low, factors), _mm512_madd_epi16(high, factors));
  }
  static __m512i both_squares(__m512i low, __m512i high) {
    return halves_added(_mm512_madd_epi16(low, low), _mm512_madd_epi16(high, high));
  }

  __m512i total_;
  __m512i left_;    // in every lane, the counts on the left of the rows at hand
  __m512i shifts_;  // by class
};

void best_cut_of_four(ListSource source, std::size_t end, const ClassCounts& total,
                      const ClassCounts& before, double min_weight, ClassCut& best) {
  FourClasses counts(total, before);
  CutValues values(total, min_weight);
  for (std::size_t i = 0; i < end; i += kLanes) {
    source.take(i);
    values.consider(i, counts.next(source.codes()), source.may(), best);
  }
}

void best_cut_in_lanes(const NarrowEntry* entries, std::size_t count, const ClassCode* codes,
                       const ClassCounts& total, const ClassCounts& before, std::size_t before_rows,
                       const CutLimits& limits, ClassCut& best) {
  if (total.weight > kMostLaneWeight) {
    best_cut(entries, count, codes, total, before, before_rows, limits, best);
    return;
  }
  const CutRange range(count, before_rows, limits);
  if (FourClasses::possible(total)) {
    best_cut_of_four(ListSource(entries, codes, range), range.end, total, before, limits.min_weight,
                     best);
    return;
  }
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

/// Which of 16 entries go left, where two registers hold all marks.
class MarksOfFew {
 public:
  explicit MarksOfFew(const RowMarks& marks)
      : low_(_mm512_loadu_si512(marks.words)),
        high_(_mm512_loadu_si512(marks.words + kLanes)),
        flip_(marks.on_left ? 0 : kAll) {}

  __mmask16 left(__m512i entries) const {
    // Of an index five bits count, as of a rotation: rows are below 1024.
    const __m512i words =
        _mm512_permutex2var_epi32(low_, _mm512_maskz_srli_epi32(kAll, entries, 5), high_);
    return static_cast<__mmask16>(
        _mm512_test_epi32_mask(_mm512_maskz_rorv_epi32(kAll, words, entries),
                               _mm512_set1_epi32(1)) ^
        flip_);
  }

 private:
  __m512i low_;
  __m512i high_;
  __mmask16 flip_;
};

/// The same where they are in memory.
class MarksOfMany {
 public:
  explicit MarksOfMany(const RowMarks& marks)
      : words_(marks.words), flip_(marks.on_left ? 0 : kAll) {}

  __mmask16 left(__m512i entries) const {
    const __m512i at =
        _mm512_maskz_srli_epi32(kAll, _mm512_and_si512(entries, _mm512_set1_epi32(0xffff)), 5);
    const __m512i words =
        _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), kAll, at, words_, sizeof *words_);
    return static_cast<__mmask16>(
        _mm512_test_epi32_mask(_mm512_maskz_rorv_epi32(kAll, words, entries),
                               _mm512_set1_epi32(1)) ^
        flip_);
  }

 private:
  const std::uint32_t* words_;
  __mmask16 flip_;
};

__mmask16 first_lanes(std::size_t n) { return static_cast<__mmask16>((1U << n) - 1); }

std::size_t count_of(__mmask16 lanes) {
  return static_cast<std::size_t>(__builtin_popcount(lanes));
}

/// With kBoth, both parts are kept, else the left one.
template <bool kBoth, class Marks>
void move_left(NarrowEntry* const* lists, std::size_t n_lists, std::size_t count,
               const Marks& marks, NarrowEntry* room) {
  for (std::size_t l = 0; l < n_lists; ++l) {
    NarrowEntry* const entries = lists[l];
    std::size_t to_left = 0;
    std::size_t to_right = 0;
    std::size_t i = 0;
    // What is written beyond the left part has been read already.
    for (; i + kLanes <= count; i += kLanes) {
      const __m512i here = _mm512_loadu_si512(entries + i);
      const __mmask16 left = marks.left(here);
      _mm512_storeu_si512(entries + to_left, _mm512_maskz_compress_epi32(left, here));
      const std::size_t n_left = count_of(left);
      to_left += n_left;
      if constexpr (kBoth) {
        const auto right = static_cast<__mmask16>(~left);
        _mm512_storeu_si512(room + to_right, _mm512_maskz_compress_epi32(right, here));
        to_right += kLanes - n_left;
      }
    }
    if (i < count) {
      const __mmask16 there = first_lanes(count - i);
      const __m512i here = _mm512_maskz_loadu_epi32(there, entries + i);
      const auto left = static_cast<__mmask16>(there & marks.left(here));
      const std::size_t n_left = count_of(left);
      _mm512_mask_storeu_epi32(entries + to_left, first_lanes(n_left),
                               _mm512_maskz_compress_epi32(left, here));
      to_left += n_left;
      if constexpr (kBoth) {
        const auto right = static_cast<__mmask16>(there & ~left);
        _mm512_storeu_si512(room + to_right, _mm512_maskz_compress_epi32(right, here));
        to_right += count - i - n_left;
      }
    }
    if constexpr (kBoth) {
      NarrowEntry* const to = entries + to_left;
      std::size_t k = 0;
      for (; k + kLanes <= to_right; k += kLanes)
        _mm512_storeu_si512(to + k, _mm512_loadu_si512(room + k));
      _mm512_mask_storeu_epi32(to + k, first_lanes(to_right - k), _mm512_loadu_si512(room + k));
    }
  }
}

void partition_in_lanes(NarrowEntry* const* lists, std::size_t n_lists, std::size_t count,
                        const RowMarks& marks, NarrowEntry* room) {
  if (marks.rows <= RowMarks::kFewRows) {
    move_left<true>(lists, n_lists, count, MarksOfFew(marks), room);
  } else {
    move_left<true>(lists, n_lists, count, MarksOfMany(marks), room);
  }
}

void keep_left_in_lanes(NarrowEntry* const* lists, std::size_t n_lists, std::size_t count,
                        const RowMarks& marks) {
  if (marks.rows <= RowMarks::kFewRows) {
    move_left<false>(lists, n_lists, count, MarksOfFew(marks), nullptr);
  } else {
    move_left<false>(lists, n_lists, count, MarksOfMany(marks), nullptr);
  }
}

}  // namespace avx512
}  // namespace

extern const ClassKernels kClassKernelsAvx512 = {.best_cut = avx512::best_cut_in_lanes,
                                                 .best_slot_cut = avx512::best_slot_cut_in_lanes,
                                                 .partition = avx512::partition_in_lanes,
                                                 .keep_left = avx512::keep_left_in_lanes};

}  // namespace mutirao::models::internal
