#include "mutirao/data/internal/duckdb_library.hpp"

#include <cstdlib>
#include <filesystem>
#include <mutex>

#include <dlfcn.h>
#include <fmt/format.h>

#include "mutirao/core/error.hpp"

namespace mutirao::data {
namespace {

std::vector<std::string> candidates() {
  std::vector<std::string> paths;
  if (const char* asked = std::getenv("MUTIRAO_DUCKDB_LIBRARY")) return {asked};
  std::error_code ignored;
  const std::filesystem::path program =
      std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const char* beside :
       {"libduckdb.so", "../lib/mutirao/libduckdb.so", "../lib/libduckdb.so"}) {
    if (const auto path = program / beside;
        !program.empty() && std::filesystem::exists(path, ignored))
      paths.push_back(path);
  }
#ifdef MUTIRAO_DUCKDB_BUILD_LIBRARY
  paths.emplace_back(MUTIRAO_DUCKDB_BUILD_LIBRARY);
#endif
  paths.emplace_back("libduckdb.so");
  return paths;
}

DuckDbFunctions load() {
  std::string reasons;
  for (const std::string& path : candidates()) {
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      reasons += fmt::format("{}{}", reasons.empty() ? "" : "; ", ::dlerror());
      continue;
    }
    DuckDbFunctions functions;
    const char* missing = nullptr;
#define MUTIRAO_LOOK_UP(name)                                                                     \
  functions.name = reinterpret_cast<decltype(functions.name)>(::dlsym(library, "duckdb_" #name)); \
  if (functions.name == nullptr) missing = "duckdb_" #name;
    MUTIRAO_DUCKDB_FUNCTIONS(MUTIRAO_LOOK_UP)
#undef MUTIRAO_LOOK_UP
    if (missing == nullptr)
      return functions;  // the library stays open for ever: its threads may outlive any owner
    reasons += fmt::format("{}{} has no {}", reasons.empty() ? "" : "; ", path, missing);
    ::dlclose(library);
  }
  throw core::Unsupported("cannot load the DuckDB library, which reads data: " + reasons,
                          "run tools/fetch-duckdb, or set MUTIRAO_DUCKDB_LIBRARY to a libduckdb.so "
                          "of version 1.4 or later");
}

}  // namespace

const DuckDbFunctions& duckdb() {
  static const DuckDbFunctions functions = load();
  return functions;
}

DuckDbResult::DuckDbResult(duckdb_result result) : result_(result) {
  columns_ = duckdb().column_count(&result_);
  while (duckdb_data_chunk chunk = duckdb().fetch_chunk(result_)) {
    chunks_.push_back(chunk);
    rows_ += duckdb().data_chunk_get_size(chunk);
  }
}

DuckDbResult::DuckDbResult(DuckDbResult&& other) noexcept
    : result_(other.result_),
      chunks_(std::move(other.chunks_)),
      rows_(other.rows_),
      columns_(other.columns_) {
  other.chunks_.clear();
  other.owned_ = false;
}

DuckDbResult::~DuckDbResult() {
  for (duckdb_data_chunk& chunk : chunks_) duckdb().destroy_data_chunk(&chunk);
  if (owned_) duckdb().destroy_result(&result_);
}

std::string DuckDbResult::name(std::size_t column) {
  return duckdb().column_name(&result_, column);
}

duckdb_type DuckDbResult::type(std::size_t column) {
  return duckdb().column_type(&result_, column);
}

std::vector<std::string> DuckDbResult::texts(std::size_t column) const {
  std::vector<std::string> texts;
  for (duckdb_data_chunk chunk : chunks_) {
    duckdb_vector vector = duckdb().data_chunk_get_vector(chunk, column);
    const auto* cells = static_cast<const duckdb_string_t*>(duckdb().vector_get_data(vector));
    const std::uint64_t* validity = duckdb().vector_get_validity(vector);
    for (std::size_t i = 0; i < duckdb().data_chunk_get_size(chunk); ++i) {
      texts.emplace_back(is_valid(validity, i) ? text_of(cells[i]) : std::string_view{});
    }
  }
  return texts;
}

DuckDbConnection::DuckDbConnection(std::size_t threads) {
  const DuckDbFunctions& functions = duckdb();
  duckdb_config config = nullptr;
  functions.create_config(&config);
  // Nothing is fetched over the network, whatever a query says.
  functions.set_config(config, "autoinstall_known_extensions", "false");
  functions.set_config(config, "autoload_known_extensions", "false");
  functions.set_config(config, "preserve_insertion_order", "true");
  if (threads > 0) functions.set_config(config, "threads", std::to_string(threads).c_str());
  char* error = nullptr;
  const duckdb_state state = functions.open_ext(nullptr, &database_, config, &error);
  functions.destroy_config(&config);
  if (state != DuckDBSuccess) {
    const std::string message = error != nullptr ? error : "unknown";
    functions.free(error);
    throw core::Unsupported("DuckDB does not start: " + message);
  }
  if (functions.connect(database_, &connection_) != DuckDBSuccess) {
    functions.close(&database_);
    throw core::Unsupported("DuckDB does not accept a connection");
  }
}

DuckDbConnection::~DuckDbConnection() {
  duckdb().disconnect(&connection_);
  duckdb().close(&database_);
}

DuckDbResult DuckDbConnection::query(const std::string& sql) {
  duckdb_result result;
  if (duckdb().query(connection_, sql.c_str(), &result) != DuckDBSuccess) {
    std::string message = duckdb().result_error(&result);
    duckdb().destroy_result(&result);
    throw DuckDbError(std::move(message));
  }
  return DuckDbResult(result);
}

std::vector<DescribedColumn> DuckDbConnection::describe(const std::string& sql) {
  duckdb_prepared_statement statement = nullptr;
  if (duckdb().prepare(connection_, sql.c_str(), &statement) != DuckDBSuccess) {
    std::string message = duckdb().prepare_error(statement);
    duckdb().destroy_prepare(&statement);
    throw DuckDbError(std::move(message));
  }
  std::vector<DescribedColumn> columns;
  const std::size_t count = duckdb().prepared_statement_column_count(statement);
  for (std::size_t i = 0; i < count; ++i) {
    const char* name = duckdb().prepared_statement_column_name(statement, i);
    columns.push_back({name, duckdb().prepared_statement_column_type(statement, i)});
    duckdb().free(const_cast<char*>(name));
  }
  duckdb().destroy_prepare(&statement);
  return columns;
}

std::string sql_literal(std::string_view text) {
  std::string literal = "'";
  for (const char c : text) {
    if (c == '\'') literal += '\'';
    literal += c;
  }
  return literal + "'";
}

}  // namespace mutirao::data
