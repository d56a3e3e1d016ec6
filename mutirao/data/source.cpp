#include "mutirao/data/source.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <regex>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/file.hpp"

#ifdef MUTIRAO_HAVE_DUCKDB
#include "mutirao/data/internal/readers.hpp"
#endif

namespace mutirao::data {
namespace {

namespace fs = std::filesystem;

enum class Format { kCsv, kParquet, kJson };

std::string lower(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return lowered;
}

Format format_of(const std::string& path) {
  const std::string name = lower(path);
  if (name.ends_with(".parquet")) return Format::kParquet;
  for (const std::string_view ending : {".json", ".jsonl", ".ndjson"}) {
    for (const std::string_view compressed : {"", ".gz", ".zst"}) {
      if (name.ends_with(std::string(ending) + std::string(compressed))) return Format::kJson;
    }
  }
  return Format::kCsv;
}

}  // namespace

bool is_glob(const std::string& source) {
  return source.find_first_of("*?[") != std::string::npos && !fs::exists(source);
}

bool is_query(const std::string& source) {
  const std::size_t start = source.find_first_not_of(" \t\n\r(");
  if (start == std::string::npos) return false;
  const std::string text = lower(std::string_view(source).substr(start));
  for (const std::string_view word : {"select", "with", "from"}) {
    if (text.starts_with(word) && text.size() > word.size() &&
        std::isspace(static_cast<unsigned char>(text[word.size()]))) {
      return true;
    }
  }
  return false;
}

std::string short_name(const std::string& source) {
  if (is_query(source)) return "query";
  std::string name = fs::path(source).filename().string();
  name = name.substr(0, name.find('.'));
  std::replace_if(
      name.begin(), name.end(),
      [](unsigned char c) { return !std::isalnum(c) && c != '-' && c != '_'; }, '_');
  return name.empty() ? "data" : name;
}

std::string position_of_row(const std::string& source, const Table& table, std::size_t row) {
  if (is_query(source) || is_glob(source) || format_of(source) != Format::kCsv)
    return fmt::format("row {}", row + 1);
  std::size_t line = 2 + row;  // lines count from 1, and the header is the first
  for (const Column& column : table.columns()) {
    if (column.type != ColumnType::kText) continue;
    std::vector<std::size_t> breaks;
    for (const std::string& level : column.levels) {
      breaks.push_back(static_cast<std::size_t>(std::count(level.begin(), level.end(), '\n')));
    }
    for (std::size_t r = 0; r < row; ++r) {
      if (column.codes[r] != kMissingCode) line += breaks[column.codes[r]];
    }
  }
  return fmt::format("line {}", line);
}

#ifndef MUTIRAO_HAVE_DUCKDB

namespace {
[[noreturn]] void refuse() {
  throw core::Unsupported("this build has no DuckDB, which reads and writes data",
                          "run tools/fetch-duckdb, then configure and build again");
}
}  // namespace

Table read_table(const std::string&, const ReadOptions&) { refuse(); }
void write_parquet(const std::string&, const Table&, std::size_t) { refuse(); }
std::string duckdb_version() { refuse(); }

#else

namespace {

// What can be said about a file before anybody parses it.
void check_file(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    throw core::InvalidInput(fmt::format("there is no file {}", path),
                             "check the path, or give a query that starts with SELECT");
  }
  if (fs::is_directory(status)) {
    throw core::InvalidInput(fmt::format("{} is a folder", path),
                             fmt::format("name the files in it: \"{}/*.csv\"", path));
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream)
    throw core::IoError(fmt::format("cannot read {}", path), errno, "check its permissions");
  std::array<char, 65536> head;
  stream.read(head.data(), head.size());
  const std::string_view bytes(head.data(), static_cast<std::size_t>(stream.gcount()));
  if (bytes.empty())
    throw core::InvalidInput(fmt::format("{} is empty", path), "it needs a header line and rows");
  const bool compressed = lower(path).ends_with(".gz") || lower(path).ends_with(".zst");
  if (format_of(path) != Format::kParquet && !compressed &&
      bytes.find('\0') != std::string_view::npos) {
    const bool parquet = bytes.starts_with("PAR1");
    throw core::InvalidInput(fmt::format("{} is a binary file, not text", path),
                             parquet ? "it looks like Parquet: give it the ending .parquet"
                                     : "give CSV, Parquet (.parquet) or JSON lines (.jsonl)");
  }
}

std::vector<std::string> files_of(DuckDbConnection& connection, const std::string& source) {
  if (!is_glob(source)) {
    check_file(source);
    return {source};
  }
  std::vector<std::string> files =
      connection.query(fmt::format("FROM glob({})", sql_literal(source))).texts(0);
  if (files.empty())
    throw core::InvalidInput(fmt::format("no file matches {}", source), "check the pattern");
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) {
    check_file(file);
    if (format_of(file) != format_of(files.front())) {
      throw core::InvalidInput(fmt::format("{} matches files of different kinds: {} and {}", source,
                                           files.front(), file),
                               "use a pattern that matches one kind");
    }
  }
  return files;
}

// A Parquet file's own names of its columns: DuckDB renames those that differ only in case.
std::vector<std::string> parquet_names(DuckDbConnection& connection, const std::string& file) {
  const DuckDbResult schema = connection.query(
      fmt::format("SELECT name, CAST(coalesce(num_children, 0) AS VARCHAR) FROM parquet_schema({})",
                  sql_literal(file)));
  const std::vector<std::string> names = schema.texts(0);
  const std::vector<std::string> children = schema.texts(1);
  std::vector<std::string> top;
  // Depth first; the first entry is the root. `left[d]` counts the entries still to come at depth
  // d.
  std::vector<long> left;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) {
      while (!left.empty() && left.back() == 0) left.pop_back();
      if (left.empty()) return {};
      --left.back();
      if (left.size() == 1) top.push_back(names[i]);
    }
    const long count = std::stol(children[i]);
    if (count > 0) left.push_back(count);
  }
  return top;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// DuckDB's messages in one sentence of ours.
[[noreturn]] void rethrow_as_input(const std::string& source, const std::string& message) {
  std::smatch match;
  static const std::regex line_pattern("CSV Error on Line: ([0-9]+)");
  static const std::regex columns_pattern("Expected Number of Columns: ([0-9]+) Found: ([0-9]+)");
  static const std::regex file_pattern("file ?= ?([^\n]+)");
  static const std::regex prefix("^[A-Z][A-Za-z ]+Error: ");
  if (std::smatch line; std::regex_search(message, line, line_pattern)) {
    std::string file = source;
    if (is_glob(source) && std::regex_search(message, match, file_pattern)) file = match[1];
    if (std::regex_search(message, match, columns_pattern)) {
      throw core::InvalidInput(fmt::format("{}, line {}: {} cells where the header has {}", file,
                                           line[1].str(), match[2].str(), match[1].str()),
                               "mend that line: every row needs one cell per column");
    }
    std::string what = "it cannot be read";
    if (message.find("Invalid unicode") != std::string::npos) {
      what = "a character is not UTF-8";
    } else if (message.find("unterminated quote") != std::string::npos) {
      what = "a quote is not closed";
    }
    throw core::InvalidInput(fmt::format("{}, line {}: {}", file, line[1].str(), what),
                             "mend that line; nothing is skipped");
  }
  const std::string sentence = first_line(std::regex_replace(message, prefix, ""));
  if (is_query(source))
    throw core::InvalidInput("the query cannot be run: " + sentence,
                             "check it against DuckDB's SQL");
  throw core::InvalidInput(fmt::format("cannot read {}: {}", source, sentence),
                           "give CSV (.csv, .gz, .zst), Parquet (.parquet) or JSON lines (.jsonl)");
}

Table read_files(DuckDbConnection& connection, const std::string& source,
                 const std::vector<std::string>& text_columns) {
  const std::vector<std::string> files = files_of(connection, source);
  std::string list;
  for (const std::string& file : files) list += (list.empty() ? "" : ", ") + sql_literal(file);
  switch (format_of(files.front())) {
    case Format::kParquet:
      return read_typed(connection, fmt::format("FROM read_parquet([{}])", list),
                        parquet_names(connection, files.front()));
    case Format::kJson:
      return read_typed(connection, fmt::format("FROM read_json([{}], sample_size=-1)", list), {});
    case Format::kCsv:
      break;
  }
  return read_csv(connection, files, text_columns);
}

constexpr std::size_t kFewestRowsInGroup = 8192;
constexpr std::size_t kMostRowsInGroup = 122'880;  // as DuckDB has it by default

// The query without what may follow its last word, so that it can stand in parentheses.
std::string bare_query(std::string query) {
  while (!query.empty() &&
         (std::isspace(static_cast<unsigned char>(query.back())) || query.back() == ';'))
    query.pop_back();
  return query;
}

duckdb_type storage_of(const Column& column) {
  switch (column.type) {
    case ColumnType::kText:
      return DUCKDB_TYPE_VARCHAR;
    case ColumnType::kBoolean:
      return DUCKDB_TYPE_BOOLEAN;
    case ColumnType::kTimestamp:
      return DUCKDB_TYPE_TIMESTAMP;
    case ColumnType::kNumber:
      break;
  }
  return column.integral ? DUCKDB_TYPE_BIGINT : DUCKDB_TYPE_DOUBLE;
}

std::string_view sql_type(duckdb_type type) {
  switch (type) {
    case DUCKDB_TYPE_VARCHAR:
      return "VARCHAR";
    case DUCKDB_TYPE_BOOLEAN:
      return "BOOLEAN";
    case DUCKDB_TYPE_TIMESTAMP:
      return "TIMESTAMP";
    case DUCKDB_TYPE_BIGINT:
      return "BIGINT";
    default:
      return "DOUBLE";
  }
}

/// One cell that is present and no text.
void put_number(void* data, std::size_t at, const Column& column, double value) {
  switch (storage_of(column)) {
    case DUCKDB_TYPE_BOOLEAN:
      static_cast<bool*>(data)[at] = value != 0.0;
      return;
    case DUCKDB_TYPE_TIMESTAMP:  // microseconds
      static_cast<std::int64_t*>(data)[at] = std::llround(value * 1e6);
      return;
    case DUCKDB_TYPE_BIGINT:
      static_cast<std::int64_t*>(data)[at] = static_cast<std::int64_t>(value);
      return;
    default:
      static_cast<double*>(data)[at] = value;
  }
}

void fill_vector(duckdb_vector vector, const Column& column, std::size_t first, std::size_t count) {
  duckdb().vector_ensure_validity_writable(vector);
  std::uint64_t* validity = duckdb().vector_get_validity(vector);
  void* data = duckdb().vector_get_data(vector);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = first + i;
    if (column.is_missing(row)) {
      duckdb().validity_set_row_invalid(validity, i);
    } else if (column.type == ColumnType::kText) {
      const std::string& text = column.levels[column.codes[row]];
      duckdb().vector_assign_string_element_len(vector, i, text.data(), text.size());
    } else {
      put_number(data, i, column, column.numbers[row]);
    }
  }
}

void append_rows(DuckDbConnection& connection, const Table& table) {
  std::vector<duckdb_logical_type> types;
  for (const Column& column : table.columns())
    types.push_back(duckdb().create_logical_type(storage_of(column)));
  duckdb_appender appender = nullptr;
  bool failed =
      duckdb().appender_create(connection.handle(), nullptr, "written", &appender) != DuckDBSuccess;
  duckdb_data_chunk chunk = duckdb().create_data_chunk(types.data(), types.size());
  const std::size_t step = duckdb().vector_size();
  for (std::size_t first = 0; first < table.rows() && !failed; first += step) {
    const std::size_t count = std::min(step, table.rows() - first);
    duckdb().data_chunk_reset(chunk);
    for (std::size_t i = 0; i < types.size(); ++i) {
      fill_vector(duckdb().data_chunk_get_vector(chunk, i), table.columns()[i], first, count);
    }
    duckdb().data_chunk_set_size(chunk, count);
    failed = duckdb().append_data_chunk(appender, chunk) != DuckDBSuccess;
  }
  failed = failed || duckdb().appender_close(appender) != DuckDBSuccess;
  duckdb().destroy_data_chunk(&chunk);
  for (duckdb_logical_type& type : types) duckdb().destroy_logical_type(&type);
  duckdb().appender_destroy(&appender);
  if (failed)
    throw core::InternalError("DuckDB did not take the rows of a table that is to be written");
}

}  // namespace

Table read_table(const std::string& source, const ReadOptions& options) {
  if (!is_query(source) && !is_glob(source)) check_file(source);  // before anything large is loaded
  DuckDbConnection connection(options.threads);
  try {
    Table table = is_query(source) ? read_typed(connection, bare_query(source), {})
                                   : read_files(connection, source, options.text_columns);
    if (table.rows() == 0 && !options.allow_no_rows) {
      throw core::InvalidInput(is_query(source)
                                   ? "the query gives no rows"
                                   : fmt::format("{} has a header and no rows", source),
                               "at least two rows are needed");
    }
    return table;
  } catch (const DuckDbError& error) {
    rethrow_as_input(source, error.what());
  }
}

void write_parquet(const std::string& path, const Table& table, std::size_t threads) {
  threads = std::max<std::size_t>(1, threads);
  DuckDbConnection connection(threads);
  core::AtomicFile file(path);
  try {
    std::string columns;
    for (const Column& column : table.columns()) {
      std::string name;
      for (const char c : column.name) name += c == '"' ? std::string("\"\"") : std::string(1, c);
      columns += fmt::format("{}\"{}\" {}", columns.empty() ? "" : ", ", name,
                             sql_type(storage_of(column)));
    }
    connection.query(fmt::format("CREATE TABLE written ({})", columns));
    append_rows(connection, table);
    // A row group is what one thread compresses. Our own file is written to, not one of DuckDB's
    // that takes its place: what commit() puts on disk is the file that it has open.
    const std::size_t group =
        std::clamp((table.rows() + threads - 1) / threads, kFewestRowsInGroup, kMostRowsInGroup);
    connection.query(
        fmt::format("COPY written TO {} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, "
                    "ROW_GROUP_SIZE {}, USE_TMP_FILE false)",
                    sql_literal(file.unfinished_path()), group));
  } catch (const DuckDbError& error) {
    const std::string message = error.what();
    const bool full = message.find("No space left") != std::string::npos;
    throw core::IoError(fmt::format("cannot write {} ({})", path, first_line(message)),
                        full ? ENOSPC : EIO);
  }
  file.commit();
}

std::string duckdb_version() { return duckdb().library_version(); }

#endif

}  // namespace mutirao::data
