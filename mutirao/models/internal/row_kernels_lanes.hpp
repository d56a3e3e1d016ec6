#pragma once

// See row_kernels.hpp. Included by each file of kernels/ inside a namespace of its own below
// namespace mutirao::models::internal, so that each is compiled for its own instruction set.

inline constexpr std::size_t kLanes = RowKernels::kLanes;

using Floats __attribute__((vector_size(kLanes * sizeof(float)))) = float;
using Masks __attribute__((vector_size(kLanes * sizeof(std::int32_t)))) = std::int32_t;
using Doubles __attribute__((vector_size(kLanes * sizeof(double)))) = double;
using WideMasks __attribute__((vector_size(kLanes * sizeof(std::int64_t)))) = std::int64_t;

template <class Vector, class Number>
inline __attribute__((always_inline)) void load(Vector& vector, const Number* from) {
  std::memcpy(&vector, from, sizeof vector);
}

template <class Vector, class Number>
inline __attribute__((always_inline)) void store(const Vector& vector, Number* to) {
  std::memcpy(to, &vector, sizeof vector);
}

inline void bounds(const RowKernels::Block& block, RowKernels::Bounds& bounds) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  Floats least = Floats{} + kInfinity;
  Floats most = Floats{} - kInfinity;
  Masks missing = {};
  for (std::size_t i = 0; i < block.n; ++i) {
    Floats value;
    load(value, block.values + block.rows[i] * block.stride);
    least = value < least ? value : least;
    most = value > most ? value : most;
    missing -= value != value;
  }
  store(least, bounds.least);
  store(most, bounds.most);
  store(missing, bounds.missing);
}

inline void left_sums(const RowKernels::Block& block, const float* thresholds, const Sums* sums,
                      RowKernels::Left& left) {
  Floats threshold;
  load(threshold, thresholds);
  Doubles wy = {};
  Doubles w = {};
  Masks rows = {};
  const Doubles zero = {};
  for (std::size_t i = 0; i < block.n; ++i) {
    Floats value;
    load(value, block.values + block.rows[i] * block.stride);
    const Masks goes_left = value <= threshold;
    const WideMasks wide = __builtin_convertvector(goes_left, WideMasks);
    wy += wide ? zero + sums[i].wy : zero;
    w += wide ? zero + sums[i].w : zero;
    rows -= goes_left;
  }
  store(wy, left.wy);
  store(w, left.w);
  store(rows, left.rows);
}

inline void left_counts(const RowKernels::Block& block, const float* thresholds,
                        const std::uint16_t* class_of, const double* weights, double* counts,
                        RowKernels::Left& left) {
  Floats threshold;
  load(threshold, thresholds);
  Doubles w = {};
  Masks rows = {};
  const Doubles zero = {};
  for (std::size_t i = 0; i < block.n; ++i) {
    Floats value;
    load(value, block.values + block.rows[i] * block.stride);
    const Masks goes_left = value <= threshold;
    const WideMasks wide = __builtin_convertvector(goes_left, WideMasks);
    const Doubles weight = wide ? zero + weights[i] : zero;
    double* count = counts + class_of[i] * kLanes;
    Doubles of_class;
    load(of_class, count);
    of_class += weight;
    store(of_class, count);
    w += weight;
    rows -= goes_left;
  }
  store(w, left.w);
  store(rows, left.rows);
}

using Words __attribute__((vector_size(kLanes * sizeof(std::uint64_t)))) = std::uint64_t;

template <std::size_t kWords>
inline void left_words(const RowKernels::Block& block, const float* thresholds,
                       const RowKernels::Packed* packed, RowKernels::Packed* counts,
                       RowKernels::Left& left) {
  Floats threshold;
  load(threshold, thresholds);
  Words sums[kWords] = {};
  Masks rows = {};
  for (std::size_t i = 0; i < block.n; ++i) {
    Floats value;
    load(value, block.values + block.rows[i] * block.stride);
    const Masks goes_left = value <= threshold;
    const auto wide = reinterpret_cast<Words>(__builtin_convertvector(goes_left, WideMasks));
    for (std::size_t word = 0; word < kWords; ++word)
      sums[word] += wide & packed[i * kWords + word];
    rows -= goes_left;
  }
  for (std::size_t word = 0; word < kWords; ++word) store(sums[word], counts + word * kLanes);
  store(rows, left.rows);
}

inline void left_packed(const RowKernels::Block& block, const float* thresholds,
                        const RowKernels::Packed* packed, std::size_t words,
                        RowKernels::Packed* counts, RowKernels::Left& left) {
  switch (words) {
    case 1:
      return left_words<1>(block, thresholds, packed, counts, left);
    case 2:
      return left_words<2>(block, thresholds, packed, counts, left);
    case 3:
      return left_words<3>(block, thresholds, packed, counts, left);
    default:
      return left_words<4>(block, thresholds, packed, counts, left);
  }
}
