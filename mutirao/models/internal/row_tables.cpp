#include "mutirao/models/internal/row_tables.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"

namespace mutirao::models::internal {
namespace {

/// Rows that one core turns at a time.
constexpr std::size_t kPartRows = 4096;

std::size_t distinct(const RankedMatrix& ranked, std::size_t feature) {
  const std::span<const std::uint32_t> order = ranked.order(feature);
  std::size_t count = 0;
  for (const std::uint32_t entry : order) count += entry / RankedMatrix::kNewValue;
  return count;
}

}  // namespace

RowRanks::RowRanks(const RankedMatrix& ranked, exec::CoreBudget& budget, std::size_t max_cores)
    : features_(ranked.cols()) {
  std::vector<std::size_t> counts(features_);
  budget.for_each(
      features_, [&](std::size_t j, std::size_t) { counts[j] = distinct(ranked, j); }, max_cores);
  if (std::all_of(counts.begin(), counts.end(), [](std::size_t n) { return n < 0xffff; })) {
    fill(narrow_, ranked, budget, max_cores);
  } else {
    fill(wide_, ranked, budget, max_cores);
  }
}

template <class Rank>
void RowRanks::fill(std::vector<Rank>& table, const RankedMatrix& ranked, exec::CoreBudget& budget,
                    std::size_t max_cores) {
  table.resize(ranked.rows() * features_);
  budget.for_each(
      features_,
      [&](std::size_t j, std::size_t) {
        const std::span<const std::uint32_t> order = ranked.order(j);
        const std::size_t present = order.size() - ranked.missing(j);
        Rank rank = 0;
        for (std::size_t i = 0; i < order.size(); ++i) {
          if (i != 0) rank = static_cast<Rank>(rank + order[i] / RankedMatrix::kNewValue);
          const std::size_t row = order[i] & ~RankedMatrix::kNewValue;
          table[row * features_ + j] = i < present ? rank : static_cast<Rank>(kMissing);
        }
      },
      max_cores);
}

RowValues::RowValues(SeenMatrix x, exec::CoreBudget& budget, std::size_t max_cores)
    : features_(x.cols()),
      stride_((x.cols() + kLanes - 1) / kLanes * kLanes),
      values_(x.rows() * stride_) {
  budget.for_each((x.rows() + kPartRows - 1) / kPartRows,
                  [&](std::size_t part, std::size_t) {
                    const std::size_t last = std::min(x.rows(), (part + 1) * kPartRows);
                    for (std::size_t j = 0; j < features_; ++j) {
                      const std::span<const double> column = x.values().column(j);
                      x.with_column(j, [&](auto seen) {
                        for (std::size_t row = part * kPartRows; row < last; ++row) {
                          if (std::isinf(column[row])) {
                            throw core::InvalidInput(
                                fmt::format("column {} has an infinite value in row {}", j, row),
                                "replace infinite values, or leave them empty to mean missing");
                          }
                          values_[row * stride_ + j] = seen(row);
                        }
                      });
                    }
                  },
                  max_cores);
}

}  // namespace mutirao::models::internal
