#pragma once

// Reading a table from a file, several files, or a query.
//
// Purpose: whatever holds the user's table becomes a data::Table, with an error that a person can
// act on when it does not. Requires: DuckDB's library at run time (loaded at the first call, not
// before). Guarantees:
//   - What it reads: CSV (also .gz, .zst; the first line names the columns; comma, semicolon, tab
//   or bar between them), Parquet,
//     JSON lines, a glob over files of one kind, or a query that starts with SELECT, WITH or FROM.
//   - Names are compared exactly: names that differ only in case are different columns; the same
//   name twice is an error.
//   - In CSV, unquoted NA, N/A, NaN, null, None and ? are missing, and so is an empty cell; quoted
//   numbers are numbers.
//     A column's type is decided by all of its rows: number, boolean (true, false), date or
//     timestamp (ISO 8601), else text. Integers beyond 2^53 are numbers rounded to the nearest
//     double, and not integral.
//   - No row is ever skipped. Rows keep their order.
// Thread safety: any thread; each call opens a database of its own.
// Failure: core::InvalidInput for whatever is wrong with the data (with file, line or row, and
// column); core::IoError when the
//   system refuses to read; core::Unsupported when there is no DuckDB.

#include <cstddef>
#include <string>
#include <vector>

#include "mutirao/data/table.hpp"

namespace mutirao::data {

struct ReadOptions {
  /// Threads that DuckDB may use; 0 means as many as it likes.
  std::size_t threads = 0;
  /// Whether a source without rows is a table of no rows, and not an error.
  bool allow_no_rows = false;
  /// Columns of a CSV that are text whatever their cells look like: those that were text when a
  /// model was trained.
  std::vector<std::string> text_columns = {};
};

/// Reads the whole of `source`: a path, a glob or a query.
Table read_table(const std::string& source, const ReadOptions& options = {});

/// True when `source` is a query rather than a path.
bool is_query(const std::string& source);

/// True when `source` is a pattern of paths, and no file has that very name.
bool is_glob(const std::string& source);

/// A short name for a run over this source: "diamonds" for "data/diamonds.csv.gz", "query" for a
/// query.
std::string short_name(const std::string& source);

/// Where a row of the table came from, for messages: "line 17" for a single CSV file, "row 16"
/// otherwise. Rows count from 0. Looks at the text of the rows before it, so a line break inside
/// quotes is counted.
std::string position_of_row(const std::string& source, const Table& table, std::size_t row);

/// Writes columns of equal length to a Parquet file, atomically, with so many threads. Throws
/// core::IoError.
void write_parquet(const std::string& path, const Table& table, std::size_t threads = 1);

/// The version of the DuckDB library that would be used ("v1.4.4"); core::Unsupported says why
/// there is none.
std::string duckdb_version();

}  // namespace mutirao::data
