#pragma once

// Dense numbers, column by column: what estimators are fitted on.
//
// Purpose: MatrixView is a window on somebody's columns; Matrix owns them in shared memory, so it
// reaches a worker without a copy. Thread safety: as the memory they refer to; a frozen Matrix may
// be read from any thread and process. Lifetime: a MatrixView owns nothing.

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "mutirao/core/shared_array.hpp"

namespace mutirao::data {

/// n_rows x n_cols, column-major, float64; column j starts at data + j * column_stride. NaN means
/// missing.
struct MatrixView {
  const double* data = nullptr;
  std::size_t rows = 0;
  std::size_t cols = 0;
  std::size_t column_stride = 0;

  std::span<const double> column(std::size_t j) const noexcept {
    return {data + j * column_stride, rows};
  }
  double operator()(std::size_t row, std::size_t col) const noexcept {
    return data[col * column_stride + row];
  }
};

/// Owns an n_rows x n_cols column-major float64 matrix. Copies share the elements.
class Matrix {
 public:
  Matrix() = default;
  /// Zeroes, to be written until frozen or sent.
  Matrix(std::size_t rows, std::size_t cols) : values_(rows * cols), rows_(rows), cols_(cols) {}
  /// Takes column-major values; values.size() must be rows * cols, else core::InvalidArgument.
  Matrix(std::size_t rows, std::size_t cols, core::SharedArray<double> values)
      : values_(std::move(values)), rows_(rows), cols_(cols) {
    if (values_.size() != rows_ * cols_)
      throw core::InvalidArgument("a matrix needs rows x columns values");
  }

  std::size_t rows() const noexcept { return rows_; }
  std::size_t cols() const noexcept { return cols_; }
  std::span<const double> column(std::size_t j) const noexcept {
    return values_.span().subspan(j * rows_, rows_);
  }
  /// Throws core::InvalidArgument once frozen.
  std::span<double> writable_column(std::size_t j) {
    return values_.writable().subspan(j * rows_, rows_);
  }
  MatrixView view() const noexcept { return {values_.data(), rows_, cols_, rows_}; }
  operator MatrixView() const noexcept { return view(); }
  void freeze() { values_.freeze(); }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(rows_, cols_, values_);
  }

 private:
  core::SharedArray<double> values_;
  std::size_t rows_ = 0;
  std::size_t cols_ = 0;
};

}  // namespace mutirao::data
