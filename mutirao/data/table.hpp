#pragma once

// A table in memory: named, typed columns over shared arrays.
//
// Purpose: what a source is read into, what is sent to workers, what preprocessing is learned from.
// Requires: every array of a column has as many elements as the table has rows; names are distinct
// (compared exactly). Guarantees: sending a Table to a worker passes descriptors; its cells are
// never copied. Thread safety: const use from any thread.
//
//   data::Table table;
//   table.add(data::number_column("carat", carats));
//   table.add(data::text_column("cut", cuts));

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

#include "mutirao/core/shared_array.hpp"

namespace mutirao::data {

enum class ColumnType : std::uint8_t { kNumber, kText, kBoolean, kTimestamp };

/// "number", "text", "boolean", "timestamp".
std::string_view name_of(ColumnType type) noexcept;
/// The type of that name, if there is one.
std::optional<ColumnType> column_type_named(std::string_view name) noexcept;

/// The code of a missing text.
inline constexpr std::uint32_t kMissingCode = 0xffffffffu;

struct Column {
  std::string name;
  ColumnType type = ColumnType::kNumber;
  /// kNumber: every value that is present is an integer (of at most 2^53 in size).
  bool integral = false;
  /// kNumber, kBoolean (0 or 1), kTimestamp (seconds since 1970-01-01 UTC): n_rows values, NaN =
  /// missing. Empty for kText.
  core::SharedArray<double> numbers;
  /// kText: n_rows indices into `levels`, kMissingCode = missing. Empty otherwise.
  core::SharedArray<std::uint32_t> codes;
  /// kText: the distinct values in byte order.
  std::vector<std::string> levels;

  std::size_t rows() const noexcept {
    return type == ColumnType::kText ? codes.size() : numbers.size();
  }
  bool is_missing(std::size_t row) const noexcept {
    return type == ColumnType::kText ? codes[row] == kMissingCode : numbers[row] != numbers[row];
  }
  std::size_t count_missing() const noexcept;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, type, integral, numbers, codes, levels);
  }
};

/// `integral` is found from the values. An infinity is core::InvalidInput that names column and
/// row.
Column number_column(std::string name, std::span<const double> values);
/// An absent value is missing.
Column text_column(std::string name, std::span<const std::optional<std::string>> values);

class Table {
 public:
  Table() = default;

  std::size_t rows() const noexcept { return rows_; }
  const std::vector<Column>& columns() const noexcept { return columns_; }
  /// Appends. core::InvalidInput when the name is taken or the number of rows differs.
  void add(Column column);
  /// The column of exactly that name, or nullptr.
  const Column* find(std::string_view name) const noexcept;
  /// The column of exactly that name; core::InvalidInput with the nearest name otherwise. `role` is
  /// said: "target", "id".
  const Column& at(std::string_view name, std::string_view role = "column") const;
  std::vector<std::string> names() const;
  /// The given rows, in the given order, as a table of its own.
  Table take(std::span<const std::uint32_t> rows) const;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(rows_, columns_);
  }

 private:
  std::size_t rows_ = 0;
  std::vector<Column> columns_;
};

}  // namespace mutirao::data
