#pragma once

// The inner loops of linear models in portable vectors. Included by each file of kernels/
// inside a namespace of its own below namespace mutirao::models::internal, so that each is compiled
// for its own instruction set.

using Lanes = double __attribute__((vector_size(kGramLanes * sizeof(double))));
static_assert(kGramLanes == 4);

inline __attribute__((always_inline)) double added(const Lanes& lanes) {
  return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

/// Lanes anywhere in memory. Copied as bytes, an array of Lanes would be built in memory, in
/// halves.
using LanesInMemory =
    double __attribute__((vector_size(kGramLanes * sizeof(double)), aligned(8), may_alias));

inline __attribute__((always_inline)) void load(const double* from, Lanes& lanes) {
  lanes = *reinterpret_cast<const LanesInMemory*>(from);
}

inline __attribute__((always_inline)) void store(const Lanes& lanes, double* to) {
  *reinterpret_cast<LanesInMemory*>(to) = lanes;
}

/// Rows x Cols products at once: columns i.. with columns j..
template <std::size_t Rows, std::size_t Cols>
inline __attribute__((always_inline)) void add_products(const double* left, const double* right,
                                                        std::size_t rows, double* gram,
                                                        std::size_t stride) {
  Lanes sums[Rows][Cols] = {};
  for (std::size_t k = 0; k < rows; k += kGramLanes) {
    Lanes a[Rows];
#pragma GCC unroll 4
    for (std::size_t i = 0; i < Rows; ++i) load(left + i * rows + k, a[i]);
#pragma GCC unroll 4
    for (std::size_t j = 0; j < Cols; ++j) {
      Lanes b;
      load(right + j * rows + k, b);
#pragma GCC unroll 4
      for (std::size_t i = 0; i < Rows; ++i) sums[i][j] += a[i] * b;
    }
  }
  for (std::size_t i = 0; i < Rows; ++i) {
    for (std::size_t j = 0; j < Cols; ++j) gram[i * stride + j] += added(sums[i][j]);
  }
}

template <std::size_t Rows>
inline void add_row_of_products(const double* block, std::size_t rows, std::size_t cols,
                                std::size_t i, double* gram) {
  const double* left = block + i * rows;
  std::size_t j = i;
  for (; j + 3 <= cols; j += 3)
    add_products<Rows, 3>(left, block + j * rows, rows, gram + i * cols + j, cols);
  for (; j < cols; ++j)
    add_products<Rows, 1>(left, block + j * rows, rows, gram + i * cols + j, cols);
}

void add_gram(const double* block, std::size_t rows, std::size_t cols, double* gram) {
  // What falls below the diagonal is written, too, and is not looked at.
  std::size_t i = 0;
  for (; i + 2 <= cols; i += 2) add_row_of_products<2>(block, rows, cols, i, gram);
  for (; i < cols; ++i) add_row_of_products<1>(block, rows, cols, i, gram);
}

void add_columns(const double* block, std::size_t rows, std::size_t cols,
                 const double* coefficients, double* out) {
  for (std::size_t j = 0; j < cols; ++j) {
    const double* column = block + j * rows;
    const double coefficient = coefficients[j];
    for (std::size_t k = 0; k < rows; ++k) out[k] += coefficient * column[k];
  }
}

void add_products(const double* block, std::size_t rows, std::size_t cols, const double* values,
                  double* products) {
  std::size_t j = 0;
  for (; j + 4 <= cols; j += 4) add_products<4, 1>(block + j * rows, values, rows, products + j, 1);
  for (; j < cols; ++j) add_products<1, 1>(block + j * rows, values, rows, products + j, 1);
}

template <std::size_t Outputs, std::size_t Runs>
inline __attribute__((always_inline)) void add_some_scores(const double* block, std::size_t rows,
                                                           std::size_t cols,
                                                           const double* coefficients,
                                                           double* out) {
  Lanes sums[Outputs][Runs];
#pragma GCC unroll 4
  for (std::size_t c = 0; c < Outputs; ++c) {
#pragma GCC unroll 2
    for (std::size_t r = 0; r < Runs; ++r) load(out + c * rows + r * kGramLanes, sums[c][r]);
  }
  for (std::size_t j = 0; j < cols; ++j) {
    Lanes values[Runs];
#pragma GCC unroll 2
    for (std::size_t r = 0; r < Runs; ++r) load(block + j * rows + r * kGramLanes, values[r]);
#pragma GCC unroll 4
    for (std::size_t c = 0; c < Outputs; ++c) {
      const double coefficient = coefficients[c * cols + j];
#pragma GCC unroll 2
      for (std::size_t r = 0; r < Runs; ++r) sums[c][r] += coefficient * values[r];
    }
  }
#pragma GCC unroll 4
  for (std::size_t c = 0; c < Outputs; ++c) {
#pragma GCC unroll 2
    for (std::size_t r = 0; r < Runs; ++r) store(sums[c][r], out + c * rows + r * kGramLanes);
  }
}

/// Calls take.operator()<N>(c) for N outputs from c on, at most four at a time.
template <class Take>
inline void in_parts(std::size_t outputs, Take take) {
  std::size_t c = 0;
  for (; c + 4 <= outputs; c += 4) take.template operator()<4>(c);
  for (; c + 2 <= outputs; c += 2) take.template operator()<2>(c);
  if (c < outputs) take.template operator()<1>(c);
}

void add_scores(const double* block, std::size_t rows, std::size_t cols, const double* coefficients,
                std::size_t outputs, double* out) {
  in_parts(outputs, [&]<std::size_t Outputs>(std::size_t c) {
    const double* own = coefficients + c * cols;
    double* to = out + c * rows;
    std::size_t k = 0;
    for (; k + 2 * kGramLanes <= rows; k += 2 * kGramLanes)
      add_some_scores<Outputs, 2>(block + k, rows, cols, own, to + k);
    if (k < rows) add_some_scores<Outputs, 1>(block + k, rows, cols, own, to + k);
  });
}

void add_slopes(const double* block, std::size_t rows, std::size_t cols, const double* values,
                std::size_t outputs, double* products) {
  in_parts(outputs, [&]<std::size_t Outputs>(std::size_t c) {
    const double* own = values + c * rows;
    double* to = products + c * cols;
    std::size_t j = 0;
    for (; j + 2 <= cols; j += 2)
      add_products<Outputs, 2>(own, block + j * rows, rows, to + j, cols);
    if (j < cols) add_products<Outputs, 1>(own, block + j * rows, rows, to + j, cols);
  });
}

/// The first row of `column` that is of a lower triangle, rounded down to whole lanes.
inline std::size_t first_lower(std::size_t column) { return column / kGramLanes * kGramLanes; }

void add_lower(const double* lower, std::size_t rows, std::size_t cols, const double* values,
               double* out) {
  for (std::size_t j = 0; j < cols; ++j) {
    for (std::size_t i = first_lower(j); i < rows; i += kGramLanes) {
      Lanes sum;
      Lanes column;
      load(out + i, sum);
      load(lower + j * rows + i, column);
      store(sum + values[j] * column, out + i);
    }
  }
}

void add_lower_transposed(const double* lower, std::size_t rows, std::size_t cols,
                          const double* values, double* out) {
  for (std::size_t j = 0; j < cols; ++j) {
    Lanes sum = {};
    for (std::size_t i = first_lower(j); i < rows; i += kGramLanes) {
      Lanes left;
      Lanes column;
      load(values + i, left);
      load(lower + j * rows + i, column);
      sum += left * column;
    }
    out[j] += added(sum);
  }
}
