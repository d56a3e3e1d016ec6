#pragma once

// The numbers of a matrix as trees see them: float32, levels by their positions, NaN for missing.

#include <cstddef>

#include "mutirao/data/matrix.hpp"
#include "mutirao/models/level_orders.hpp"
#include "mutirao/models/ranked_matrix.hpp"

namespace mutirao::models::internal {

class SeenMatrix {
 public:
  SeenMatrix() = default;
  SeenMatrix(data::MatrixView x, const LevelOrders& levels) : x_(x), levels_(&levels) {}
  /// Without categories.
  SeenMatrix(data::MatrixView x) : x_(x) {}
  SeenMatrix(const data::Matrix& x) : x_(x) {}

  std::size_t rows() const noexcept { return x_.rows; }
  std::size_t cols() const noexcept { return x_.cols; }
  float operator()(std::size_t row, std::size_t column) const noexcept {
    const LevelOrders::Column* levels = levels_of(column);
    return levels == nullptr ? to_float32(x_(row, column)) : levels->position(x_(row, column));
  }
  /// Calls use(seen), where seen(row) is what trees see of a column: a loop inside need not ask of
  /// what kind it is.
  template <class Use>
  void with_column(std::size_t column, Use use) const {
    const double* const values = x_.column(column).data();
    if (const LevelOrders::Column* levels = levels_of(column)) {
      use([=](std::size_t row) { return levels->position(values[row]); });
    } else {
      use([=](std::size_t row) { return to_float32(values[row]); });
    }
  }
  const data::MatrixView& values() const noexcept { return x_; }

 private:
  const LevelOrders::Column* levels_of(std::size_t column) const noexcept {
    return levels_ == nullptr ? nullptr : levels_->of(column);
  }

  data::MatrixView x_;
  const LevelOrders* levels_ = nullptr;
};

}  // namespace mutirao::models::internal
