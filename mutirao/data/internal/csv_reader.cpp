#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <unordered_map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mutirao/core/error.hpp"
#include "mutirao/data/cell_text.hpp"
#include "mutirao/data/csv.hpp"
#include "mutirao/data/internal/readers.hpp"

namespace mutirao::data {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kLargestExactInteger = 9007199254740992.0;  // 2^53

// What may stand between the cells of a line; of equals the first is taken.
constexpr std::string_view kDelimiters = ",;\t|";

// One column of the result: where its cells lie. A missing cell has a null data().
std::vector<std::string_view> cells_of(const DuckDbResult& result, std::size_t column) {
  std::vector<std::string_view> cells;
  cells.reserve(result.rows());
  for (duckdb_data_chunk chunk : result.chunks()) {
    duckdb_vector vector = duckdb().data_chunk_get_vector(chunk, column);
    const auto* values = static_cast<const duckdb_string_t*>(duckdb().vector_get_data(vector));
    const std::uint64_t* validity = duckdb().vector_get_validity(vector);
    const std::size_t count = duckdb().data_chunk_get_size(chunk);
    for (std::size_t i = 0; i < count; ++i) {
      const bool present = is_valid(validity, i) && values[i].value.inlined.length > 0;
      cells.push_back(present ? text_of(values[i]) : std::string_view{});
    }
  }
  return cells;
}

template <class Parse>
std::optional<core::SharedArray<double>> parse_all(const std::vector<std::string_view>& cells,
                                                   Parse parse) {
  core::SharedArray<double> values(cells.size());
  std::span<double> out = values.writable();
  for (std::size_t row = 0; row < cells.size(); ++row) {
    if (cells[row].data() == nullptr) {
      out[row] = kNaN;
      continue;
    }
    const std::optional<double> value = parse(cells[row], row);
    if (!value) return std::nullopt;
    out[row] = *value;
  }
  values.freeze();
  return values;
}

// Lines count from 1 and the header is the first; a quoted line break makes a row longer than a
// line.
std::size_t line_of(const DuckDbResult& result, std::size_t row) {
  std::size_t line = 2 + row;
  for (std::size_t column = 0; column < result.columns(); ++column) {
    const std::vector<std::string_view> cells = cells_of(result, column);
    for (std::size_t r = 0; r < row; ++r) {
      line += static_cast<std::size_t>(std::count(cells[r].begin(), cells[r].end(), '\n'));
    }
  }
  return line;
}

Column typed_column(const DuckDbResult& result, std::size_t index, const std::string& name,
                    const std::string& where) {
  const std::vector<std::string_view> cells = cells_of(result, index);
  Column column;
  column.name = name;
  column.integral = true;
  std::optional<std::size_t> infinite_row;
  auto numbers = parse_all(cells, [&](std::string_view text, std::size_t row) {
    const std::optional<double> value = number_in(text);
    if (value && std::isinf(*value) && !infinite_row) infinite_row = row;
    if (value && column.integral)
      column.integral = is_integer(text) && std::abs(*value) <= kLargestExactInteger;
    return value;
  });
  if (numbers) {
    if (infinite_row) {
      throw core::InvalidInput(fmt::format("{}, line {}: column '{}' holds an infinity", where,
                                           line_of(result, *infinite_row), name),
                               "replace it by a number, or leave it empty to mean missing");
    }
    column.numbers = std::move(*numbers);
    return column;
  }
  column.integral = false;
  if (auto booleans =
          parse_all(cells, [](std::string_view text, std::size_t) { return boolean_in(text); })) {
    column.type = ColumnType::kBoolean;
    column.numbers = std::move(*booleans);
    return column;
  }
  if (auto times =
          parse_all(cells, [](std::string_view text, std::size_t) { return timestamp_in(text); })) {
    column.type = ColumnType::kTimestamp;
    column.numbers = std::move(*times);
    return column;
  }
  return column_of_texts(name, cells);
}

struct Header {
  std::string line;
  char delimiter;
  std::vector<std::string> names;
};

// The fields of one line, with quotes as in RFC 4180.
std::vector<std::string> fields_of(std::string_view line, char delimiter) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted) {
      if (c != '"') {
        fields.back() += c;
      } else if (i + 1 < line.size() && line[i + 1] == '"') {
        fields.back() += line[++i];
      } else {
        quoted = false;
      }
    } else if (c == '"' && fields.back().empty()) {
      quoted = true;
    } else if (c == delimiter) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

// How often each delimiter stands in the line outside quotes. A quote opens a field behind any of
// them, as which one it is is not known yet, and behind another quote, which it doubles.
std::array<std::size_t, kDelimiters.size()> delimiters_in(std::string_view line) {
  std::array<std::size_t, kDelimiters.size()> counts{};
  bool quoted = false;
  bool may_open = true;
  for (const char c : line) {
    const std::size_t which = kDelimiters.find(c);
    if (c == '"') {
      quoted = !quoted && may_open;
    } else if (!quoted && which != std::string_view::npos) {
      ++counts[which];
    }
    may_open = c == '"' || which != std::string_view::npos;
  }
  return counts;
}

Header header_of(DuckDbConnection& connection, const std::string& file) {
  // A delimiter and quote that no text holds: every line is one cell. Not strict, because without
  // quotes a line break of another kind inside a cell looks like the end of a line.
  const std::string sql = fmt::format(
      "SELECT line FROM read_csv({}, columns={{'line': 'VARCHAR'}}, delim='\\x01', quote='', "
      "escape='', header=false, "
      "auto_detect=false, strict_mode=false) LIMIT 1",
      sql_literal(file));
  const std::vector<std::string> lines = connection.query(sql).texts(0);
  Header header{lines.empty() ? std::string() : lines.front(), ',', {}};
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (header.line.starts_with(kByteOrderMark)) header.line.erase(0, kByteOrderMark.size());
  while (header.line.ends_with('\r')) header.line.pop_back();
  if (header.line.empty())
    throw core::InvalidInput(fmt::format("{} is empty", file), "it needs a header line and rows");
  const auto counts = delimiters_in(header.line);
  header.delimiter = kDelimiters[static_cast<std::size_t>(
      std::max_element(counts.begin(), counts.end()) - counts.begin())];
  header.names = fields_of(header.line, header.delimiter);
  return header;
}

}  // namespace

void check_names(const std::vector<std::string>& names, const std::string& where) {
  std::unordered_map<std::string_view, std::size_t> first_of;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty() && i > 0) {
      throw core::InvalidInput(fmt::format("{}: column {} has no name", where, i + 1),
                               "name it in the header");
    }
    const auto [first, fresh] = first_of.emplace(names[i], i);
    if (!fresh) {
      throw core::InvalidInput(fmt::format("{}: columns {} and {} are both named '{}'", where,
                                           first->second + 1, i + 1, names[i]),
                               "rename one of them");
    }
  }
}

Column column_of_texts(std::string name, const std::vector<std::string_view>& cells) {
  Column column;
  column.name = std::move(name);
  column.type = ColumnType::kText;
  std::unordered_map<std::string_view, std::uint32_t> code_of;
  std::vector<std::string_view> in_order_of_appearance;
  core::SharedArray<std::uint32_t> codes(cells.size());
  std::span<std::uint32_t> out = codes.writable();
  for (std::size_t row = 0; row < cells.size(); ++row) {
    if (cells[row].data() == nullptr) {
      out[row] = kMissingCode;
      continue;
    }
    const auto [found, fresh] =
        code_of.emplace(cells[row], static_cast<std::uint32_t>(in_order_of_appearance.size()));
    if (fresh) in_order_of_appearance.push_back(cells[row]);
    out[row] = found->second;
  }
  std::vector<std::uint32_t> by_bytes(in_order_of_appearance.size());
  for (std::uint32_t i = 0; i < by_bytes.size(); ++i) by_bytes[i] = i;
  std::sort(by_bytes.begin(), by_bytes.end(), [&](std::uint32_t a, std::uint32_t b) {
    return in_order_of_appearance[a] < in_order_of_appearance[b];
  });
  std::vector<std::uint32_t> final_code(by_bytes.size());
  for (std::uint32_t code = 0; code < by_bytes.size(); ++code) {
    final_code[by_bytes[code]] = code;
    column.levels.emplace_back(in_order_of_appearance[by_bytes[code]]);
  }
  for (std::uint32_t& code : out) {
    if (code != kMissingCode) code = final_code[code];
  }
  codes.freeze();
  column.codes = std::move(codes);
  return column;
}

Table read_csv(DuckDbConnection& connection, const std::vector<std::string>& files,
               const std::vector<std::string>& text_columns) {
  const Header header = header_of(connection, files.front());
  for (std::size_t i = 1; i < files.size(); ++i) {
    if (header_of(connection, files[i]).line != header.line) {
      throw core::InvalidInput(
          fmt::format("{} and {} have different header lines", files.front(), files[i]),
          "files that are read together need the same columns in the same order");
    }
  }
  check_names(header.names, files.front());

  std::string file_list;
  std::string columns;
  std::string missing;
  for (const std::string& file : files)
    file_list += (file_list.empty() ? "" : ", ") + sql_literal(file);
  for (std::size_t i = 0; i < header.names.size(); ++i)
    columns += fmt::format("{}'c{}': 'VARCHAR'", i ? ", " : "", i);
  for (const std::string_view text : kMissingTexts)
    missing += (missing.empty() ? "" : ", ") + sql_literal(text);
  const DuckDbResult result = connection.query(fmt::format(
      "FROM read_csv([{}], columns={{{}}}, delim={}, quote='\"', escape='\"', header=true, "
      "nullstr=[{}], "
      "allow_quoted_nulls=false, auto_detect=false, strict_mode=true, max_line_size=16777216)",
      file_list, columns, sql_literal(std::string_view(&header.delimiter, 1)), missing));
  const std::string where = files.size() == 1
                                ? files.front()
                                : fmt::format("{} and {} more", files.front(), files.size() - 1);
  Table table;
  for (std::size_t i = 0; i < header.names.size(); ++i) {
    const bool text =
        std::find(text_columns.begin(), text_columns.end(), header.names[i]) != text_columns.end();
    table.add(text ? column_of_texts(header.names[i], cells_of(result, i))
                   : typed_column(result, i, header.names[i], where));
  }
  return table;
}

}  // namespace mutirao::data
