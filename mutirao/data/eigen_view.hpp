#pragma once

// Eigen's matrices as what estimators take.
//
// Purpose: view_of() is a window on the numbers of an Eigen matrix, map, or block of columns,
// without a copy. Requires: doubles, column-major, whole columns side by side (an inner stride of
// 1). This header includes nothing of Eigen: any type with Eigen's members will do, and who does
// not use Eigen need not have it. Lifetime: as MatrixView's, so that a temporary is refused.
//
//   Eigen::MatrixXd x = ...;
//   Eigen::VectorXd y = ...;
//   model.fit(data::view_of(x), data::span_of(y));

#include <cassert>
#include <cstddef>
#include <span>
#include <type_traits>

#include "mutirao/data/matrix.hpp"

namespace mutirao::data {

template <class Dense>
MatrixView view_of(const Dense& x) noexcept {
  static_assert(std::is_same_v<typename Dense::Scalar, double>, "estimators take doubles");
  static_assert(!Dense::IsRowMajor, "estimators take columns: use a column-major matrix");
  assert(x.innerStride() == 1);
  return {.data = x.data(),
          .rows = static_cast<std::size_t>(x.rows()),
          .cols = static_cast<std::size_t>(x.cols()),
          .column_stride = static_cast<std::size_t>(x.outerStride())};
}
template <class Dense>
MatrixView view_of(const Dense&& x) = delete;

template <class Vector>
std::span<const double> span_of(const Vector& y) noexcept {
  static_assert(std::is_same_v<typename Vector::Scalar, double> && Vector::IsVectorAtCompileTime);
  assert(y.innerStride() == 1);
  return {y.data(), static_cast<std::size_t>(y.size())};
}
template <class Vector>
std::span<const double> span_of(const Vector&& y) = delete;

}  // namespace mutirao::data
