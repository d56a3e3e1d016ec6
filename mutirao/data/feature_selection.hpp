#pragma once

// Which columns a model learns from, and why the others are left out.
//
// Guarantees: the answer depends on the table alone; every column of the table is accounted for.
// Thread safety: pure functions.
// Failure: core::InvalidInput when a named column does not exist (with the nearest name) or when no
// feature is left.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mutirao/data/table.hpp"

namespace mutirao::data {

enum class Task : std::uint8_t { kRegression, kClassification };

/// "regression", "classification".
std::string_view name_of(Task task) noexcept;
/// The task of that name, if there is one.
std::optional<Task> task_named(std::string_view name) noexcept;

struct TaskGuess {
  Task task = Task::kRegression;
  /// "target 'price' holds integers, 11602 of them distinct": what the guess rests on.
  std::string because;
};

/// Text and booleans: classification. Fractions: regression. Integers: classification if at most 10
/// are distinct and these are at most 5% of the rows, else regression. Dates: regression.
TaskGuess infer_task(const Column& target);

struct FeatureChoice {
  std::string target;
  std::vector<std::string> drop;  ///< never features
  std::optional<std::string> id;  ///< identifies the rows; not a feature
  std::vector<std::string>
      categorical;  ///< treated as text whatever they hold, and kept whatever they look like
  std::optional<std::string> weight = std::nullopt;  ///< what the rows count; not a feature
  std::optional<std::string> group = std::nullopt;   ///< whose rows belong together; not a feature
};

struct ColumnUse {
  std::string name;
  ColumnType type = ColumnType::kNumber;
  bool used = false;
  /// Why it is not used: "target", "dropped", "id", "weight", "group", "constant", ...; empty when
  /// used.
  std::string why;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, type, used, why);
  }
};

struct FeatureSelection {
  std::vector<std::string> features;     ///< in the order of the table
  std::vector<std::string> categorical;  ///< those of them to be treated as text
  std::vector<ColumnUse> columns;        ///< every column of the table

  template <class Archive>
  void serialize(Archive& archive) {
    archive(features, categorical, columns);
  }
};

/// Left out besides what has another part: columns that are missing in every row, constant ones
/// (missing counts as a value), text that is distinct in over 95% of the rows, and an unnamed first
/// column that counts the rows.
FeatureSelection select_features(const Table& table, const FeatureChoice& choice);

/// Features that alone explain more than 99.9% of a numeric target's variance: by a straight line
/// for numbers, by the means of the levels for text of at most rows / 10 levels. Each is a possible
/// leak of the target. `y`: one number per row, none missing.
std::vector<std::string> possible_leaks(const Table& table, const FeatureSelection& selection,
                                        std::span<const double> y);
/// The same for classes: numbers that order two classes with an area under the curve above 0.999
/// (of more classes, whose variance lies by more than 99.9% between them), and text of at most rows
/// / 10 levels that removes more than 99.9% of the classes' Gini impurity.
std::vector<std::string> possible_leaks_of_classes(const Table& table,
                                                   const FeatureSelection& selection,
                                                   std::span<const std::uint32_t> classes);

}  // namespace mutirao::data
