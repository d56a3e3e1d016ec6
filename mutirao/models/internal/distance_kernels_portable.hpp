#pragma once

// The inner loops of distances in vectors of kLanes doubles, or twice as many floats. Included by
// each file of kernels/ inside a namespace of its own below namespace mutirao::models::internal, so
// that each is compiled for its own instruction set. It defines kLanes, Floats and of these
// broadcast(a), multiplied_added(a, b, c) = a b + c and not_at_least(a, limit): a bit per lane.

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

void below(const float* panels, std::size_t n_panels, std::size_t cols, const float* points,
           const float* limits, std::uint32_t* masks) {
  constexpr std::size_t kWidth = 2 * kLanes;
  for (std::size_t panel = 0; panel < n_panels; ++panel) {
    const float* const own = panels + panel * kPanelRows * (cols + 1);
    std::uint32_t found[kPanelPoints] = {};
    for (std::size_t i = 0; i < kPanelRows; i += 2 * kWidth) {
      Floats sums[kPanelPoints][2];
      Floats low;
      Floats high;
      __builtin_memcpy(&low, own + i, sizeof low);
      __builtin_memcpy(&high, own + i + kWidth, sizeof high);
      for (auto& sum : sums) {
        sum[0] = low;
        sum[1] = high;
      }
      const float* values = own + kPanelRows + i;
      for (std::size_t j = 0; j < cols; ++j, values += kPanelRows) {
        __builtin_memcpy(&low, values, sizeof low);
        __builtin_memcpy(&high, values + kWidth, sizeof high);
        for (std::size_t q = 0; q < kPanelPoints; ++q) {
          const Floats factor = broadcast(points[j * kPanelPoints + q]);
          sums[q][0] = multiplied_added(factor, low, sums[q][0]);
          sums[q][1] = multiplied_added(factor, high, sums[q][1]);
        }
      }
      for (std::size_t q = 0; q < kPanelPoints; ++q) {
        const Floats limit = broadcast(limits[q]);
        found[q] |= (not_at_least(sums[q][0], limit) | not_at_least(sums[q][1], limit) << kWidth)
                    << i;
      }
    }
    for (std::size_t q = 0; q < kPanelPoints; ++q) masks[panel * kPanelPoints + q] = found[q];
  }
}
