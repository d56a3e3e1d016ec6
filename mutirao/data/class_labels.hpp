#pragma once

// The classes of a target: which there are, in which order, and the class of each row.
//
// Purpose: classifiers learn class indices 0, 1, ...; people see labels. Guarantees: the order is
// that of scikit-learn: text by its bytes, false before true, numbers by size. A label is the
// cell's text; of a number the shortest that reads back as the same number. Thread safety: values
// and pure functions. Failure: core::InvalidInput for a target of dates, or of more than
// kMostClasses.
//
//   ClassLabels labels = labels_of(table.at("species"));
//   std::vector<std::uint32_t> y = class_indices(table.at("species"), labels);

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

#include "mutirao/data/table.hpp"

namespace mutirao::data {

/// More labels than this are no classes: the table of their probabilities alone would be huge.
inline constexpr std::size_t kMostClasses = 1000;

struct ClassLabels {
  std::vector<std::string> names;
  /// What the column of the target holds, and columns of predictions are to hold.
  ColumnType type = ColumnType::kText;

  std::size_t size() const noexcept { return names.size(); }
  bool empty() const noexcept { return names.empty(); }
  /// The index of the label of that name.
  std::optional<std::size_t> find(std::string_view name) const noexcept;
  bool operator==(const ClassLabels&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(names, type);
  }
};

/// The labels that the column holds; what is missing is none.
ClassLabels labels_of(const Column& target);

/// The class of each row. Every cell must be present and hold one of the labels.
std::vector<std::uint32_t> class_indices(const Column& target, const ClassLabels& labels);

/// The column that the indices stand for, of the type of the target.
Column label_column(std::string name, const ClassLabels& labels, std::span<const double> indices);

}  // namespace mutirao::data
