#pragma once

// The inner loops of linear models in portable vectors. Included by each file of kernels/
// inside a namespace of its own below namespace mutirao::models::internal, so that each is compiled
// for its own instruction set.

using Lanes = double __attribute__((vector_size(kGramLanes * sizeof(double))));
static_assert(kGramLanes == 4);

inline __attribute__((always_inline)) double added(const Lanes& lanes) {
  return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

inline __attribute__((always_inline)) void load(const double* from, Lanes& lanes) {
  __builtin_memcpy(&lanes, from, sizeof lanes);
}

/// Rows x Cols products at once: columns i.. with columns j..
template <std::size_t Rows, std::size_t Cols>
inline __attribute__((always_inline)) void add_products(const double* left, const double* right,
                                                        std::size_t rows, double* gram,
                                                        std::size_t stride) {
  Lanes sums[Rows][Cols] = {};
  for (std::size_t k = 0; k < rows; k += kGramLanes) {
    Lanes a[Rows];
    for (std::size_t i = 0; i < Rows; ++i) load(left + i * rows + k, a[i]);
    for (std::size_t j = 0; j < Cols; ++j) {
      Lanes b;
      load(right + j * rows + k, b);
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
