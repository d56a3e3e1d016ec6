#pragma once

// The search for the best cuts of several lists at once, one in each lane of a vector. Included by
// each file of kernels/ inside a namespace of its own below namespace mutirao::models::internal,
// behind <immintrin.h> where there are vectors, so that each is compiled for its own instruction
// set.
//
// Note [A list in each lane]: the sums of a list must be added one behind the other, so one list
// keeps a processor waiting for its adder. Those of other lists do not depend on it, and a lane
// does with its list what a loop over that list alone would do: the number of lanes changes how
// soon the cut is found, never which.

template <std::size_t Count>
using Doubles __attribute__((vector_size(Count * sizeof(double)))) = double;
template <std::size_t Count>
using Integers __attribute__((vector_size(Count * sizeof(double)))) = std::int64_t;

/// Positions whose ties are looked up together.
inline constexpr std::size_t kStep = 8;

/// Bit k: at[k] and at[k + 1] have the same rank.
inline std::uint64_t tied_with_next(const NarrowEntry* at) noexcept {
#if defined(__AVX512VL__)
  const __m256i difference =
      _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)),
                       _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 1)));
  return _mm256_cmplt_epu32_mask(difference, _mm256_set1_epi32(1 << kRankShift<NarrowEntry>));
#elif defined(__AVX2__)
  const __m256i difference =
      _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)),
                       _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 1)));
  const __m256i tied = _mm256_cmpeq_epi32(_mm256_srli_epi32(difference, kRankShift<NarrowEntry>),
                                          _mm256_setzero_si256());
  return static_cast<std::uint64_t>(_mm256_movemask_ps(_mm256_castsi256_ps(tied)));
#else
  std::uint64_t tied = 0;
  for (std::size_t k = 0; k < kStep; ++k)
    tied |= std::uint64_t{rank_of(at[k] ^ at[k + 1]) == 0} << k;
  return tied;
#endif
}

inline std::uint64_t tied_with_next(const WideEntry* at) noexcept {
#if defined(__AVX512VL__)
  const __m512i difference = _mm512_xor_si512(_mm512_loadu_si512(at), _mm512_loadu_si512(at + 1));
  return _mm512_cmplt_epu64_mask(difference, _mm512_set1_epi64(1LL << kRankShift<WideEntry>));
#else
  std::uint64_t tied = 0;
  for (std::size_t k = 0; k < kStep; ++k)
    tied |= std::uint64_t{rank_of(at[k] ^ at[k + 1]) == 0} << k;
  return tied;
#endif
}

/// Bit j of byte i becomes bit i of byte j (Warren, Hacker's Delight, 7-3).
inline std::uint64_t transposed(std::uint64_t bits) noexcept {
  std::uint64_t swap = (bits ^ (bits >> 7)) & 0x00AA00AA00AA00AAULL;
  bits ^= swap ^ (swap << 7);
  swap = (bits ^ (bits >> 14)) & 0x0000CCCC0000CCCCULL;
  bits ^= swap ^ (swap << 14);
  swap = (bits ^ (bits >> 28)) & 0x00000000F0F0F0F0ULL;
  return bits ^ swap ^ (swap << 28);
}

/// The two sums of `Lanes` rows, each in a lane.
template <std::size_t Lanes>
struct LaneSums {
  Doubles<Lanes> wy;
  Doubles<Lanes> w;
};

template <std::size_t Lanes>
inline __attribute__((always_inline)) LaneSums<Lanes> load_sums(const Sums* const (&row)[Lanes]) {
#if defined(__AVX512F__)
  if constexpr (Lanes == 8) {
    const auto four = [&](std::size_t l) {
      __m512d rows = _mm512_castpd128_pd512(_mm_load_pd(&row[l]->wy));
      rows = _mm512_insertf64x2(rows, _mm_load_pd(&row[l + 2]->wy), 1);
      rows = _mm512_insertf64x2(rows, _mm_load_pd(&row[l + 4]->wy), 2);
      return _mm512_insertf64x2(rows, _mm_load_pd(&row[l + 6]->wy), 3);
    };
    const __m512d even = four(0);
    const __m512d odd = four(1);
    return {__builtin_shufflevector(even, odd, 0, 8, 2, 10, 4, 12, 6, 14),
            __builtin_shufflevector(even, odd, 1, 9, 3, 11, 5, 13, 7, 15)};
  }
#endif
#if defined(__AVX__)
  if constexpr (Lanes == 4) {
    const auto two = [&](std::size_t l) {
      return _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_load_pd(&row[l]->wy)),
                                  _mm_load_pd(&row[l + 2]->wy), 1);
    };
    const __m256d even = two(0);
    const __m256d odd = two(1);
    return {_mm256_unpacklo_pd(even, odd), _mm256_unpackhi_pd(even, odd)};
  }
#endif
  LaneSums<Lanes> sums;
  for (std::size_t l = 0; l < Lanes; ++l) {
    sums.wy[l] = row[l]->wy;
    sums.w[l] = row[l]->w;
  }
  return sums;
}

/// Lane l: all ones where bit l is set, else zeros.
template <std::size_t Lanes>
inline __attribute__((always_inline)) Integers<Lanes> spread(std::uint64_t bits) {
  Integers<Lanes> lane_bit;
  for (std::size_t l = 0; l < Lanes; ++l) lane_bit[l] = std::int64_t{1} << l;
  return (lane_bit & static_cast<std::int64_t>(bits)) != 0;
}

template <class Entry, std::size_t Lanes>
inline void best_cuts_of(Entry* const* lists, std::size_t n_lists, std::size_t count,
                         const Sums* sums, Sums total, const CutLimits& limits, Cut* cuts) {
  static_assert(Lanes <= 8, "a byte says which lanes are tied");
  const Entry* list[Lanes];
  for (std::size_t l = 0; l < Lanes; ++l) list[l] = lists[l < n_lists ? l : n_lists - 1];
  const auto sums_at = [&](std::size_t i) {
    const Sums* row[Lanes];
    for (std::size_t l = 0; l < Lanes; ++l) row[l] = sums + row_of(list[l][i]);
    return load_sums<Lanes>(row);
  };
  // Cuts leave min_rows rows on both sides; the rows before the first such cut are only summed.
  const std::size_t begin = limits.min_rows - 1;
  const std::size_t end = count - limits.min_rows;
  Doubles<Lanes> wyl = {};
  Doubles<Lanes> wl = {};
  for (std::size_t i = 0; i < begin; ++i) {
    const LaneSums<Lanes> row = sums_at(i);
    wyl += row.wy;
    wl += row.w;
  }
  const Doubles<Lanes> zero = {};
  Doubles<Lanes> best = zero - 1.0;
  const Integers<Lanes> here = {};
  Integers<Lanes> left = {};
  Doubles<Lanes> left_wy = {};
  Doubles<Lanes> left_w = {};
  for (std::size_t block = begin; block < end; block += kStep) {
    std::uint64_t ties = 0;
    for (std::size_t l = 0; l < Lanes; ++l) ties |= tied_with_next(list[l] + block) << 8 * l;
    ties = transposed(ties);
    const std::size_t block_end = block + kStep < end ? block + kStep : end;
    for (std::size_t i = block; i < block_end; ++i, ties >>= 8) {
      const LaneSums<Lanes> row = sums_at(i);
      wyl += row.wy;
      wl += row.w;
      const Doubles<Lanes> wr = total.w - wl;
      const Doubles<Lanes> d = wyl * total.w - total.wy * wl;
      const Doubles<Lanes> denominator = wl * wr;
      const Doubles<Lanes> score = (d * d) / denominator;
      const Integers<Lanes> better = (score > best) & (denominator > 0.0) &
                                     (wl >= limits.min_weight) & (wr >= limits.min_weight) &
                                     ~spread<Lanes>(ties);
      best = better ? score : best;
      left = better ? here + static_cast<std::int64_t>(i + 1) : left;
      left_wy = better ? wyl : left_wy;
      left_w = better ? wl : left_w;
    }
  }
  for (std::size_t l = 0; l < Lanes && l < n_lists; ++l) {
    cuts[l] = {.score = best[l],
               .left = static_cast<std::size_t>(left[l]),
               .left_total = {.wy = left_wy[l], .w = left_w[l]}};
  }
}

template <class Entry>
void best_cuts(Entry* const* lists, std::size_t n_lists, std::size_t count, const Sums* sums,
               Sums total, const CutLimits& limits, Cut* cuts) {
  if (count < 2 * limits.min_rows || count < 2) {
    for (std::size_t l = 0; l < n_lists; ++l) cuts[l] = {};
    return;
  }
  while (n_lists != 0) {
    std::size_t taken = 0;
#if defined(__AVX512F__)
    if (n_lists > 4) {
      taken = n_lists < 8 ? n_lists : 8;
      best_cuts_of<Entry, 8>(lists, taken, count, sums, total, limits, cuts);
    }
#endif
#if defined(__AVX__)
    if (taken == 0 && n_lists > 2) {
      taken = n_lists < 4 ? n_lists : 4;
      best_cuts_of<Entry, 4>(lists, taken, count, sums, total, limits, cuts);
    }
#endif
    if (taken == 0) {
      taken = n_lists < 2 ? n_lists : 2;
      best_cuts_of<Entry, 2>(lists, taken, count, sums, total, limits, cuts);
    }
    lists += taken;
    cuts += taken;
    n_lists -= taken;
  }
}
