#include "mutirao/models/internal/linear_values.hpp"

#include <algorithm>

namespace mutirao::models::internal {
namespace {

constexpr std::size_t kRows = 4096;  // a unit of work

}  // namespace

void linear_values(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                   std::span<const double> coefficients, double intercept, std::span<double> out,
                   exec::CoreBudget& budget) {
  budget.for_each((out.size() + kRows - 1) / kRows, [&](std::size_t unit, std::size_t) {
    const std::size_t first = unit * kRows;
    const std::size_t last = std::min(out.size(), first + kRows);
    std::fill(out.begin() + static_cast<std::ptrdiff_t>(first),
              out.begin() + static_cast<std::ptrdiff_t>(last), intercept);
    for (std::size_t j = 0; j < coefficients.size(); ++j) {
      const std::span<const double> column = x.column(j);
      const double coefficient = coefficients[j];
      for (std::size_t i = first; i < last; ++i)
        out[i] += coefficient * column[rows ? (*rows)[i] : i];
    }
  });
}

}  // namespace mutirao::models::internal
