#pragma once

// The values of a matrix as small numbers, row by row: what large nodes are counted on.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "mutirao/exec/core_budget.hpp"
#include "mutirao/models/internal/seen_matrix.hpp"
#include "mutirao/models/ranked_matrix.hpp"

namespace mutirao::models::internal {

class CodedRows {
 public:
  /// Null when the columns have too many distinct values for counting to be worth it in a tree of
  /// `tree_rows` rows.
  static std::unique_ptr<const CodedRows> make(SeenMatrix x, const RankedMatrix& ranked,
                                               std::size_t tree_rows, exec::CoreBudget& budget,
                                               std::size_t max_cores);

  std::size_t features() const noexcept { return first_slot_.size() - 1; }
  /// The slots of a row, one per feature. A feature has a slot per distinct value in the matrix, in
  /// the order of the values, and then one for missing values.
  const std::uint16_t* row(std::size_t row) const noexcept {
    return slots_.data() + row * features();
  }
  std::size_t first_slot(std::size_t feature) const noexcept { return first_slot_[feature]; }
  std::size_t missing_slot(std::size_t feature) const noexcept {
    return first_slot_[feature + 1] - 1;
  }
  std::size_t slots() const noexcept { return first_slot_.back(); }
  /// The value that a slot stands for, as trees see it.
  float value(std::size_t slot) const noexcept { return values_[slot]; }
  /// A row that has it.
  std::uint32_t row_of(std::size_t slot) const noexcept { return rows_[slot]; }

  /// See Note [Large nodes are counted] in counted_grower.hpp: whether a node of so many rows is.
  bool worth_counting(std::size_t rows) const noexcept {
    return rows * features() >= kEntriesPerSlot * slots();
  }

 private:
  static constexpr std::size_t kEntriesPerSlot = 4;

  std::vector<std::size_t> first_slot_;  // n_features + 1
  std::vector<std::uint16_t> slots_;     // n_rows x n_features, row-major
  std::vector<float> values_;            // per slot
  std::vector<std::uint32_t> rows_;      // per slot
};

}  // namespace mutirao::models::internal
