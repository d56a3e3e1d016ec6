#pragma once

// The readers behind read_table(). Both throw core::InvalidInput for bad data and let DuckDbError
// through for what they do not recognise; read_table() puts that into a sentence.

#include <string>
#include <vector>

#include "mutirao/data/internal/duckdb_library.hpp"
#include "mutirao/data/table.hpp"

namespace mutirao::data {

/// CSV files with the same header line, one after the other. Every cell is read as text; types are
/// decided from all rows, but for those that are to be text.
Table read_csv(DuckDbConnection& connection, const std::vector<std::string>& files,
               const std::vector<std::string>& text_columns);

/// A query whose columns have types of their own: Parquet, JSON, SQL. `names`: what the columns are
/// called, when the query does not say it exactly; empty otherwise.
Table read_typed(DuckDbConnection& connection, const std::string& query,
                 const std::vector<std::string>& names);

/// core::InvalidInput when a name comes twice or a column has no name but for the first; `where`
/// begins the sentence.
void check_names(const std::vector<std::string>& names, const std::string& where);

/// The text column over the given cells: levels in byte order. `cells` may point anywhere; a null
/// data() is a missing cell.
Column column_of_texts(std::string name, const std::vector<std::string_view>& cells);

}  // namespace mutirao::data
