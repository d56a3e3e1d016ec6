#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/data/internal/readers.hpp"

namespace mutirao::data {
namespace {

constexpr double kLargestExactInteger = 9007199254740992.0;  // 2^53

struct Conversion {
  ColumnType type;
  bool integer;
  std::string expression;  // over the column's alias
};

// How a DuckDB type becomes one of the four; core::InvalidInput for what a table of features cannot
// hold.
Conversion conversion_of(const DescribedColumn& column, const std::string& alias) {
  switch (column.type) {
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_UHUGEINT:
      return {ColumnType::kNumber, true, fmt::format("CAST({} AS DOUBLE)", alias)};
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DOUBLE:
    case DUCKDB_TYPE_DECIMAL:
      return {ColumnType::kNumber, false, fmt::format("CAST({} AS DOUBLE)", alias)};
    case DUCKDB_TYPE_BOOLEAN:
      return {ColumnType::kBoolean, false,
              fmt::format("CAST(CAST({} AS TINYINT) AS DOUBLE)", alias)};
    case DUCKDB_TYPE_DATE:
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return {ColumnType::kTimestamp, false, fmt::format("epoch(CAST({} AS TIMESTAMP))", alias)};
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_ENUM:
    case DUCKDB_TYPE_UUID:
      return {ColumnType::kText, false, fmt::format("CAST({} AS VARCHAR)", alias)};
    case DUCKDB_TYPE_SQLNULL:
      return {ColumnType::kNumber, false, fmt::format("CAST({} AS DOUBLE)", alias)};
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_ARRAY:
      throw core::InvalidInput(
          fmt::format("column '{}' holds lists", column.name),
          "select its elements as columns of their own with a query, or leave it out");
    case DUCKDB_TYPE_STRUCT:
    case DUCKDB_TYPE_MAP:
    case DUCKDB_TYPE_UNION:
      throw core::InvalidInput(
          fmt::format("column '{}' holds structs", column.name),
          "select its fields as columns of their own with a query, or leave it out");
    default:
      throw core::InvalidInput(
          fmt::format("column '{}' has a type that is no number, text, boolean or date",
                      column.name),
          "cast it with a query: SELECT CAST(... AS DOUBLE) AS ...");
  }
}

Column numeric_column(const DuckDbResult& result, std::size_t index, std::string name,
                      const Conversion& conversion) {
  Column column;
  column.name = std::move(name);
  column.type = conversion.type;
  column.integral = conversion.integer;
  column.numbers = core::SharedArray<double>(result.rows());
  std::span<double> out = column.numbers.writable();
  std::size_t row = 0;
  for (duckdb_data_chunk chunk : result.chunks()) {
    duckdb_vector vector = duckdb().data_chunk_get_vector(chunk, index);
    const auto* values = static_cast<const double*>(duckdb().vector_get_data(vector));
    const std::uint64_t* validity = duckdb().vector_get_validity(vector);
    const std::size_t count = duckdb().data_chunk_get_size(chunk);
    for (std::size_t i = 0; i < count; ++i, ++row) {
      out[row] = is_valid(validity, i) ? values[i] : std::numeric_limits<double>::quiet_NaN();
      if (std::isinf(out[row])) {
        throw core::InvalidInput(
            fmt::format("column '{}' holds an infinity in row {}", column.name, row + 1),
            "replace it by a number, or by NULL to mean missing");
      }
      if (std::abs(out[row]) > kLargestExactInteger) column.integral = false;
    }
  }
  column.numbers.freeze();
  return column;
}

Column text_column_of(const DuckDbResult& result, std::size_t index, std::string name) {
  std::vector<std::string_view> cells;
  cells.reserve(result.rows());
  for (duckdb_data_chunk chunk : result.chunks()) {
    duckdb_vector vector = duckdb().data_chunk_get_vector(chunk, index);
    const auto* values = static_cast<const duckdb_string_t*>(duckdb().vector_get_data(vector));
    const std::uint64_t* validity = duckdb().vector_get_validity(vector);
    const std::size_t count = duckdb().data_chunk_get_size(chunk);
    for (std::size_t i = 0; i < count; ++i)
      cells.push_back(is_valid(validity, i) ? text_of(values[i]) : std::string_view{});
  }
  return column_of_texts(std::move(name), cells);
}

}  // namespace

Table read_typed(DuckDbConnection& connection, const std::string& query,
                 const std::vector<std::string>& names) {
  std::vector<DescribedColumn> columns = connection.describe(query);
  if (names.size() == columns.size()) {
    for (std::size_t i = 0; i < names.size(); ++i) columns[i].name = names[i];
  }
  std::vector<std::string> found;
  for (const DescribedColumn& column : columns) found.push_back(column.name);
  check_names(found, "the data");

  std::vector<Conversion> conversions;
  std::string aliases;
  std::string expressions;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::string alias = fmt::format("c{}", i);
    conversions.push_back(conversion_of(columns[i], alias));
    aliases += (i ? ", " : "") + alias;
    expressions += (i ? ", " : "") + conversions.back().expression;
  }
  const DuckDbResult result = connection.query(
      fmt::format("SELECT {} FROM (\n{}\n) AS t({})", expressions, query, aliases));
  Table table;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    table.add(conversions[i].type == ColumnType::kText
                  ? text_column_of(result, i, columns[i].name)
                  : numeric_column(result, i, columns[i].name, conversions[i]));
  }
  return table;
}

}  // namespace mutirao::data
