#pragma once

// The order in which trees see the levels of categories.
//
// Purpose: a tree splits an ordered column; for a category, a set of its levels against the rest is
// wanted. Levels are put in the order of their effect on the target, once per fit, and every split
// divides them there. The effect of a level is its coefficient in a linear model of the target on
// all levels and numbers, so that it is not that of another column which goes with it; rare levels
// are drawn towards the mean, as if each had ten rows more that lie on it (ridge). Three classes
// and more: the effects on each class, along their first principal component (Coppersmith et al.
// 1999; once per fit: Wright and Koenig 2019). Learned on the rows of the fit alone.
// Guarantees: the same for any number of threads. A level without a training row is seen as
// missing; where no training row was missing, so that no tree has learned where such a row belongs,
// it and missing values are seen as a level of no effect. Thread safety: immutable; any thread.
// Lifetime: owns its numbers.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace mutirao::models {

class LevelOrders {
 public:
  /// A category's codes 0, 1, ... are the indices of `positions`.
  struct Column {
    std::size_t column = 0;        ///< of the matrix
    std::vector<float> positions;  ///< 0, 1, ...; NaN: a level without training rows
    /// What is seen in place of anything else: NaN for missing, or between two positions.
    float otherwise = std::numeric_limits<float>::quiet_NaN();

    /// The position of a code that had training rows; NaN for anything else.
    float trained_position(double code) const noexcept {
      if (!(code >= 0.0 && code < static_cast<double>(positions.size())))
        return std::numeric_limits<float>::quiet_NaN();
      const auto index = static_cast<std::size_t>(code);
      return static_cast<double>(index) == code ? positions[index]
                                                : std::numeric_limits<float>::quiet_NaN();
    }
    /// What trees see in place of a code, which may be NaN, or none.
    float position(double code) const noexcept {
      const float trained = trained_position(code);
      return trained == trained ? trained : otherwise;
    }
    /// NaN is equal to NaN.
    bool operator==(const Column& other) const noexcept;
  };

  LevelOrders() = default;
  /// By increasing column.
  explicit LevelOrders(std::vector<Column> columns);

  bool empty() const noexcept { return columns_.empty(); }
  const std::vector<Column>& columns() const noexcept { return columns_; }
  /// Null: the column holds numbers.
  const Column* of(std::size_t column) const noexcept {
    return column < of_.size() && of_[column] != kNone ? &columns_[of_[column]] : nullptr;
  }
  bool operator==(const LevelOrders& other) const noexcept { return columns_ == other.columns_; }

 private:
  static constexpr std::uint32_t kNone = 0xffffffffU;

  std::vector<Column> columns_;
  std::vector<std::uint32_t> of_;  // per column of the matrix, up to the last category
};

}  // namespace mutirao::models
