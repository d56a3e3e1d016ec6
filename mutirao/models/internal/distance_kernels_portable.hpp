#pragma once

// The inner loops of distances in vectors of kLanes doubles. Included by each file of kernels/
// inside a namespace of its own below namespace mutirao::models::internal, which defines kLanes, so
// that each is compiled for its own instruction set.

using Lanes = double __attribute__((vector_size(kLanes * sizeof(double))));

template <int P, class Value>
inline __attribute__((always_inline)) Value term(Value off) {
  if constexpr (P == 2) return off * off;
  return off < 0.0 ? -off : off;
}

template <int P>
void distances_of(const double* columns, std::size_t stride, std::size_t cols, std::size_t rows,
                  const double* point, double* out) {
  constexpr std::size_t kRuns = 4;
  std::size_t i = 0;
  for (; i + kRuns * kLanes <= rows; i += kRuns * kLanes) {
    Lanes sums[kRuns] = {};
    for (std::size_t j = 0; j < cols; ++j) {
      const double* column = columns + j * stride + i;
      for (std::size_t r = 0; r < kRuns; ++r) {
        Lanes values;
        __builtin_memcpy(&values, column + r * kLanes, sizeof values);
        sums[r] += term<P, Lanes>(values - point[j]);
      }
    }
    __builtin_memcpy(out + i, sums, sizeof sums);
  }
  for (; i < rows; ++i) {
    double sum = 0.0;
    for (std::size_t j = 0; j < cols; ++j)
      sum += term<P, double>(columns[j * stride + i] - point[j]);
    out[i] = sum;
  }
}

void distances(const double* columns, std::size_t stride, std::size_t cols, std::size_t rows,
               const double* point, int p, double* out) {
  if (p == 2) {
    distances_of<2>(columns, stride, cols, rows, point, out);
  } else {
    distances_of<1>(columns, stride, cols, rows, point, out);
  }
}
