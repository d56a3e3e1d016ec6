#pragma once

// DuckDB behind one class.
//
// The library is 70 MB, so nothing links it: it is opened by dlopen() when data is first read, and
// only the functions listed here are looked up. Searched in this order: $MUTIRAO_DUCKDB_LIBRARY,
// beside the program (., ../lib, ../lib/mutirao), where the build found it, the system.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <duckdb.h>

// clang-format lays this list out differently each time it sees it.
// clang-format off
#define MUTIRAO_DUCKDB_FUNCTIONS(X) \
  X(library_version) \
  X(create_config) \
  X(set_config) \
  X(destroy_config) \
  X(open_ext) \
  X(close) \
  X(connect) \
  X(disconnect) \
  X(query) \
  X(result_error) \
  X(destroy_result) \
  X(column_count) \
  X(column_name) \
  X(column_logical_type) \
  X(column_type) \
  X(get_type_id) \
  X(destroy_logical_type) \
  X(fetch_chunk) \
  X(destroy_data_chunk) \
  X(data_chunk_get_size) \
  X(data_chunk_get_vector) \
  X(vector_get_data) \
  X(vector_get_validity) \
  X(free) \
  X(prepare) \
  X(prepare_error) \
  X(destroy_prepare) \
  X(prepared_statement_column_count) \
  X(prepared_statement_column_name) \
  X(prepared_statement_column_type) \
  X(appender_create) \
  X(appender_error) \
  X(appender_destroy) \
  X(append_data_chunk) \
  X(create_data_chunk) \
  X(create_logical_type) \
  X(data_chunk_set_size) \
  X(data_chunk_reset) \
  X(vector_ensure_validity_writable) \
  X(vector_assign_string_element_len) \
  X(vector_size) \
  X(appender_close) \
  X(validity_set_row_invalid) \
  X(get_varchar) \
  X(destroy_value)
// clang-format on

namespace mutirao::data {

/// The functions of the library, under their names without "duckdb_".
struct DuckDbFunctions {
#define MUTIRAO_DECLARE(name) decltype(&::duckdb_##name) name = nullptr;
  MUTIRAO_DUCKDB_FUNCTIONS(MUTIRAO_DECLARE)
#undef MUTIRAO_DECLARE
};

/// Loads the library at the first call. Throws core::Unsupported when there is none.
const DuckDbFunctions& duckdb();

/// One result, all of it in memory, as the chunks in which DuckDB keeps it.
class DuckDbResult {
 public:
  explicit DuckDbResult(duckdb_result result);
  DuckDbResult(DuckDbResult&& other) noexcept;
  DuckDbResult& operator=(DuckDbResult&&) = delete;
  ~DuckDbResult();

  std::size_t rows() const noexcept { return rows_; }
  std::size_t columns() const noexcept { return columns_; }
  std::string name(std::size_t column);
  duckdb_type type(std::size_t column);
  const std::vector<duckdb_data_chunk>& chunks() const noexcept { return chunks_; }
  /// A text cell of the first column of a small result.
  std::vector<std::string> texts(std::size_t column) const;

 private:
  duckdb_result result_;
  std::vector<duckdb_data_chunk> chunks_;
  std::size_t rows_ = 0;
  std::size_t columns_ = 0;
  bool owned_ = true;
};

/// The text of a string cell.
inline std::string_view text_of(const duckdb_string_t& cell) noexcept {
  const std::uint32_t length = cell.value.inlined.length;
  const char* first = length <= sizeof cell.value.inlined.inlined ? cell.value.inlined.inlined
                                                                  : cell.value.pointer.ptr;
  return {first, length};
}

inline bool is_valid(const std::uint64_t* validity, std::size_t row) noexcept {
  return validity == nullptr || (validity[row / 64] >> (row % 64) & 1) != 0;
}

struct DescribedColumn {
  std::string name;
  duckdb_type type;
};

/// An in-memory database that may read local files and nothing else.
class DuckDbConnection {
 public:
  /// `threads` 0: as many as DuckDB likes.
  explicit DuckDbConnection(std::size_t threads);
  DuckDbConnection(const DuckDbConnection&) = delete;
  DuckDbConnection& operator=(const DuckDbConnection&) = delete;
  ~DuckDbConnection();

  /// Throws DuckDbError with DuckDB's own message.
  DuckDbResult query(const std::string& sql);
  /// The names and types of what a query would return; throws DuckDbError.
  std::vector<DescribedColumn> describe(const std::string& sql);
  duckdb_connection handle() const noexcept { return connection_; }

 private:
  duckdb_database database_ = nullptr;
  duckdb_connection connection_ = nullptr;
};

/// DuckDB refused a query. what() is its message as it is, of several lines; callers translate it.
class DuckDbError : public std::exception {
 public:
  explicit DuckDbError(std::string message) : message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

/// 'text' with its quotes doubled, in single quotes.
std::string sql_literal(std::string_view text);

}  // namespace mutirao::data
