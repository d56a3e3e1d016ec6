#pragma once

// The inner loops of linear models, once per instruction set.
//
// A block is `cols` columns of `rows` numbers, one behind the other; rows is a multiple of
// kGramLanes. Sums run over kGramLanes lanes (lane l adds rows l, l + 4, ...), which are added in
// one fixed order, so they have the same bytes on every instruction set.

#include <cstddef>

#include "mutirao/core/instruction_set.hpp"

namespace mutirao::models::internal {

inline constexpr std::size_t kGramLanes = 4;

struct GramKernels {
  /// gram[i * cols + j] += column i . column j, for i <= j.
  void (*add_gram)(const double* block, std::size_t rows, std::size_t cols, double* gram);
  /// out += sum of coefficients[j] x column j, for j < cols.
  void (*add_columns)(const double* block, std::size_t rows, std::size_t cols,
                      const double* coefficients, double* out);
  /// products[j] += column j . values, for j < cols.
  void (*add_products)(const double* block, std::size_t rows, std::size_t cols,
                       const double* values, double* products);
  /// The last two for `outputs` rows of coefficients, of `out` and of values, of products, one
  /// behind the other, with the same sums.
  void (*add_scores)(const double* block, std::size_t rows, std::size_t cols,
                     const double* coefficients, std::size_t outputs, double* out);
  void (*add_slopes)(const double* block, std::size_t rows, std::size_t cols, const double* values,
                     std::size_t outputs, double* products);
  /// out += lower x values, and out += lower transposed x values. A block of at least as many rows
  /// as columns, zeros above its diagonal and below row `cols`: rows of both vectors likewise.
  void (*add_lower)(const double* lower, std::size_t rows, std::size_t cols, const double* values,
                    double* out);
  void (*add_lower_transposed)(const double* lower, std::size_t rows, std::size_t cols,
                               const double* values, double* out);
};

const GramKernels& gram_kernels(core::InstructionSet set);

}  // namespace mutirao::models::internal
