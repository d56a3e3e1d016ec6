#pragma once

// A matrix row by row, as trees that look at few features, or draw their thresholds, read it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "mutirao/exec/core_budget.hpp"
#include "mutirao/models/internal/seen_matrix.hpp"
#include "mutirao/models/ranked_matrix.hpp"

namespace mutirao::models::internal {

/// The ranks of a matrix.
class RowRanks {
 public:
  static constexpr std::uint32_t kMissing = 0xffffffffU;

  RowRanks(const RankedMatrix& ranked, exec::CoreBudget& budget, std::size_t max_cores);

  std::size_t features() const noexcept { return features_; }
  /// out[i] = rank of rows[i] in a feature, or kMissing.
  void gather(const std::uint32_t* rows, std::size_t n, std::size_t feature,
              std::uint32_t* out) const noexcept {
    narrow_.empty() ? gather(wide_.data(), rows, n, feature, out)
                    : gather(narrow_.data(), rows, n, feature, out);
  }

 private:
  template <class Rank>
  void gather(const Rank* table, const std::uint32_t* rows, std::size_t n, std::size_t feature,
              std::uint32_t* out) const noexcept {
    const Rank* column = table + feature;
    for (std::size_t i = 0; i < n; ++i) {
      const Rank rank = column[std::size_t{rows[i]} * features_];
      out[i] = rank == static_cast<Rank>(kMissing) ? kMissing : rank;
    }
  }
  template <class Rank>
  void fill(std::vector<Rank>& table, const RankedMatrix& ranked, exec::CoreBudget& budget,
            std::size_t max_cores);

  std::size_t features_;
  std::vector<std::uint16_t> narrow_;  // where every column has fewer than 65,535 values
  std::vector<std::uint32_t> wide_;    // elsewhere
};

/// The values of a matrix as trees see them, NaN for missing.
class RowValues {
 public:
  /// Rows are padded to a multiple of this with zeros.
  static constexpr std::size_t kLanes = 8;

  RowValues(SeenMatrix x, exec::CoreBudget& budget, std::size_t max_cores);

  std::size_t features() const noexcept { return features_; }
  std::size_t stride() const noexcept { return stride_; }
  const float* data() const noexcept { return values_.data(); }
  float at(std::size_t row, std::size_t feature) const noexcept {
    return values_[row * stride_ + feature];
  }

 private:
  std::size_t features_;
  std::size_t stride_;
  std::vector<float> values_;
};

}  // namespace mutirao::models::internal
