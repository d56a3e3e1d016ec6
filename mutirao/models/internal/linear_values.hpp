#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "mutirao/data/matrix.hpp"
#include "mutirao/exec/core_budget.hpp"

namespace mutirao::models::internal {

/// out[i] = intercept + sum of coefficients[j] x column j, for row rows[i] (row i without rows).
void linear_values(data::MatrixView x, std::optional<std::span<const std::uint32_t>> rows,
                   std::span<const double> coefficients, double intercept, std::span<double> out,
                   exec::CoreBudget& budget);

}  // namespace mutirao::models::internal
