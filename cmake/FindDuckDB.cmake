# DuckDB's C header at build time; its library is loaded at run time, when data is first read. An installed one comes first, then the
# one that tools/fetch-duckdb puts into third_party/duckdb. Sets DuckDB_FOUND, DuckDB_INCLUDE_DIR, DuckDB_LIBRARY.
set(fetched ${CMAKE_CURRENT_LIST_DIR}/../third_party/duckdb)
find_path(DuckDB_INCLUDE_DIR duckdb.h)
if(NOT DuckDB_INCLUDE_DIR AND EXISTS ${fetched}/duckdb.h)
  get_filename_component(DuckDB_INCLUDE_DIR ${fetched} ABSOLUTE)
endif()
find_library(DuckDB_LIBRARY duckdb HINTS ${DuckDB_INCLUDE_DIR})
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(DuckDB REQUIRED_VARS DuckDB_INCLUDE_DIR DuckDB_LIBRARY)
mark_as_advanced(DuckDB_INCLUDE_DIR DuckDB_LIBRARY)
