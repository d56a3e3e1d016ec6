#include "mutirao/data/feature_encoder.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"

namespace mutirao::data {
namespace {

constexpr std::size_t kMostLevels = 100;  // one-hot: commoner levels than these share a column
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kSecondsPerDay = 86400.0;

// One part of a moment, by its index in kDateParts.
double date_part(double seconds, std::size_t part) {
  if (std::isnan(seconds)) return kNaN;
  const double day_number = std::floor(seconds / kSecondsPerDay);
  if (part == 0) return day_number;
  if (part == 5) return std::floor((seconds - day_number * kSecondsPerDay) / 3600.0);
  const std::chrono::sys_days day{std::chrono::days(static_cast<std::int64_t>(day_number))};
  const std::chrono::year_month_day date(day);
  switch (part) {
    case 1:
      return static_cast<int>(date.year());
    case 2:
      return static_cast<unsigned>(date.month());
    case 3:
      return std::chrono::weekday(day).iso_encoding() - 1;
    default:
      return static_cast<double>((day - std::chrono::sys_days(date.year() / 1 / 1)).count() + 1);
  }
}

double number_part(const Column& column, std::size_t row, ColumnType type, std::size_t part) {
  const double value = column.numbers[row];
  return type == ColumnType::kTimestamp ? date_part(value, part) : value;
}

// Of the rows where it is not missing, around the first value, so that a large offset costs no
// digits; in long doubles, whose range holds sums and squares of all doubles.
double mean_of(const Column& column, std::span<const std::uint32_t> rows, ColumnType type,
               std::size_t part) {
  long double shift = 0.0L, sum = 0.0L, count = 0.0L;
  for (const std::uint32_t row : rows) {
    const double value = number_part(column, row, type, part);
    if (std::isnan(value)) continue;
    if (count == 0.0L) shift = value;
    sum += value - shift;
    count += 1.0L;
  }
  return count > 0.0L ? static_cast<double>(shift + sum / count) : 0.0;
}

// With the mean in place of what is missing; 1 for a constant.
double scale_of(const Column& column, std::span<const std::uint32_t> rows, ColumnType type,
                std::size_t part, double mean) {
  long double squares = 0.0L;
  for (const std::uint32_t row : rows) {
    const double value = number_part(column, row, type, part);
    if (std::isnan(value)) continue;
    const long double off = static_cast<long double>(value) - mean;
    squares += off * off;
  }
  const auto scale =
      static_cast<double>(std::sqrt(squares / static_cast<long double>(rows.size())));
  return scale > 0.0 ? scale : 1.0;
}

double standardized(double value, double mean, double scale) {
  const double off = value - mean;
  if (std::isfinite(off)) return off / scale;
  return static_cast<double>((static_cast<long double>(value) - mean) / scale);
}

// Numbers as categories: the shortest text that reads back as the same number.
Column as_text(const Column& column) {
  std::vector<std::optional<std::string>> texts(column.rows());
  for (std::size_t row = 0; row < column.rows(); ++row) {
    if (column.is_missing(row)) continue;
    if (column.type == ColumnType::kBoolean) {
      texts[row] = column.numbers[row] != 0.0 ? "true" : "false";
    } else {
      texts[row] = fmt::format("{}", column.numbers[row]);
    }
  }
  return text_column(column.name, texts);
}

bool all_missing(const Column& column) { return column.count_missing() == column.rows(); }

// The column as the kind that training saw.
Column as_trained(const Column& column, ColumnType type) {
  if (column.type == type) return column;
  if (type == ColumnType::kText) return as_text(column);
  const bool both_numeric = column.type != ColumnType::kText &&
                            column.type != ColumnType::kTimestamp && type != ColumnType::kTimestamp;
  if (both_numeric) return column;
  if (all_missing(column)) {
    return number_column(column.name, std::vector<double>(column.rows(), kNaN));
  }
  throw core::InvalidInput(fmt::format("column '{}' holds {} where the training data held {}",
                                       column.name, name_of(column.type), name_of(type)),
                           "give the same kind of values as in training");
}

// In the order in which they come first.
std::vector<std::string> each_once(std::vector<std::string> names) {
  std::unordered_set<std::string> seen;
  std::erase_if(names, [&](const std::string& name) { return !seen.insert(name).second; });
  return names;
}

}  // namespace

FeatureEncoder FeatureEncoder::fit(const Table& table, const FeatureSelection& selection,
                                   std::span<const std::uint32_t> rows, Encoding encoding) {
  FeatureEncoder encoder;
  for (const std::string& name : selection.features) {
    const Column& column = table.at(name);
    const bool category = std::find(selection.categorical.begin(), selection.categorical.end(),
                                    name) != selection.categorical.end();
    if (column.type == ColumnType::kText) {
      encoder.add_text(column, true, rows, encoding);
    } else if (category) {
      encoder.add_text(as_text(column), false, rows, encoding);
    } else {
      encoder.add_numbers(column, rows, encoding);
    }
  }
  return encoder;
}

FeatureEncoder FeatureEncoder::side_by_side(std::span<const FeatureEncoder> encoders) {
  FeatureEncoder all;
  for (const FeatureEncoder& encoder : encoders) {
    for (Feature feature : encoder.features_) {
      feature.first += all.names_.size();
      all.features_.push_back(std::move(feature));
    }
    all.names_.insert(all.names_.end(), encoder.names_.begin(), encoder.names_.end());
  }
  return all;
}

void FeatureEncoder::check() const {
  bool good = true;
  std::size_t first = 0;
  for (const Feature& feature : features_) {
    const Encoding encoding = feature.encoding;
    std::size_t width = 1;
    std::size_t numbers = 0;  // of its columns
    if (feature.type == ColumnType::kText) {
      if (encoding != Encoding::kCodes) {
        width = feature.levels.size() + (feature.others.empty() ? 0 : 1) +
                (feature.has_missing ? 1 : 0);
      }
    } else {
      if (feature.type == ColumnType::kTimestamp)
        width = feature.has_hour ? kDateParts.size() : kDateParts.size() - 1;
      numbers = width;
    }
    good = good && encoding <= Encoding::kStandardized && feature.type <= ColumnType::kTimestamp &&
           feature.first == first && feature.width == width &&
           feature.means.size() == (encoding == Encoding::kCodes ? 0 : numbers) &&
           feature.scales.size() == (encoding == Encoding::kStandardized ? numbers : 0);
    first += width;
  }
  if (!good || first != names_.size()) {
    throw core::CorruptFile("the stored preprocessing is not well formed",
                            "train the model again; the file cannot be used");
  }
}

void FeatureEncoder::add_text(const Column& column, bool was_text,
                              std::span<const std::uint32_t> rows, Encoding encoding) {
  Feature feature;
  feature.column = column.name;
  feature.encoding = encoding;
  feature.type = ColumnType::kText;
  feature.was_text = was_text;
  feature.first = names_.size();
  std::vector<std::size_t> count(column.levels.size());
  for (const std::uint32_t row : rows) {
    if (column.codes[row] == kMissingCode) {
      feature.has_missing = encoding != Encoding::kCodes;
    } else {
      ++count[column.codes[row]];
    }
  }
  std::vector<std::size_t> seen;
  for (std::size_t level = 0; level < count.size(); ++level) {
    if (count[level] > 0) seen.push_back(level);
  }
  std::vector<bool> own(column.levels.size(), true);
  if (encoding != Encoding::kCodes && seen.size() > kMostLevels) {
    std::vector<std::size_t> by_count = seen;
    std::stable_sort(by_count.begin(), by_count.end(),
                     [&](std::size_t a, std::size_t b) { return count[a] > count[b]; });
    for (std::size_t i = kMostLevels; i < by_count.size(); ++i) own[by_count[i]] = false;
  }
  for (const std::size_t level : seen)
    (own[level] ? feature.levels : feature.others).push_back(column.levels[level]);

  if (encoding == Encoding::kCodes) {
    names_.push_back(column.name);
  } else {
    for (const std::string& level : feature.levels)
      names_.push_back(fmt::format("{}={}", column.name, level));
    if (!feature.others.empty()) names_.push_back(column.name + "=(other)");
    if (feature.has_missing) names_.push_back(column.name + "=(missing)");
  }
  feature.width = names_.size() - feature.first;
  features_.push_back(std::move(feature));
}

void FeatureEncoder::add_numbers(const Column& column, std::span<const std::uint32_t> rows,
                                 Encoding encoding) {
  Feature feature;
  feature.column = column.name;
  feature.encoding = encoding;
  feature.type = column.type;
  feature.first = names_.size();
  if (column.type == ColumnType::kTimestamp) {
    feature.has_hour = std::any_of(rows.begin(), rows.end(), [&](std::uint32_t row) {
      return !column.is_missing(row) && std::fmod(column.numbers[row], kSecondsPerDay) != 0.0;
    });
    feature.width = feature.has_hour ? kDateParts.size() : kDateParts.size() - 1;
    for (std::size_t part = 0; part < feature.width; ++part) {
      names_.push_back(fmt::format("{}.{}", column.name, kDateParts[part]));
    }
  } else {
    names_.push_back(column.name);
  }
  if (encoding != Encoding::kCodes) {
    for (std::size_t part = 0; part < feature.width; ++part) {
      const double mean = mean_of(column, rows, column.type, part);
      feature.means.push_back(mean);
      if (encoding == Encoding::kStandardized)
        feature.scales.push_back(scale_of(column, rows, column.type, part, mean));
    }
  }
  features_.push_back(std::move(feature));
}

Matrix FeatureEncoder::transform(const Table& table) const {
  std::vector<std::uint32_t> rows(table.rows());
  std::iota(rows.begin(), rows.end(), 0u);
  return transform(table, rows);
}

Matrix FeatureEncoder::transform(const Table& table, std::span<const std::uint32_t> rows) const {
  Matrix matrix(rows.size(), width());
  for (const Feature& feature : features_) {
    const Column* found = table.find(feature.column);
    if (found == nullptr) {
      throw core::InvalidInput(
          fmt::format("the data lacks the column '{}'", feature.column),
          "the model was trained with it; add it, with empty cells if it is unknown");
    }
    const Column column = as_trained(*found, feature.type);
    if (feature.type == ColumnType::kText) {
      transform_text(feature, column, rows, matrix);
    } else {
      transform_numbers(feature, column, rows, matrix);
    }
  }
  matrix.freeze();
  return matrix;
}

void FeatureEncoder::transform_text(const Feature& feature, const Column& column,
                                    std::span<const std::uint32_t> rows, Matrix& out) const {
  // slot[code]: the feature's own index of this table's level; both lists are in byte order.
  constexpr std::uint32_t kUnseen = 0xffffffffu;
  std::vector<std::uint32_t> slot(column.levels.size(), kUnseen);
  const auto mark = [&](const std::vector<std::string>& levels, bool shared) {
    std::size_t theirs = 0;
    for (std::uint32_t ours = 0; ours < levels.size(); ++ours) {
      while (theirs < column.levels.size() && column.levels[theirs] < levels[ours]) ++theirs;
      if (theirs < column.levels.size() && column.levels[theirs] == levels[ours]) {
        slot[theirs] = shared ? static_cast<std::uint32_t>(feature.levels.size()) : ours;
      }
    }
  };
  mark(feature.levels, false);
  mark(feature.others, true);

  if (feature.encoding == Encoding::kCodes) {
    std::span<double> values = out.writable_column(feature.first);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::uint32_t code = column.codes[rows[i]];
      const std::uint32_t own = code == kMissingCode ? kUnseen : slot[code];
      values[i] = own == kUnseen ? kNaN : static_cast<double>(own);
    }
    return;
  }
  const std::size_t missing = feature.has_missing ? feature.width - 1 : kUnseen;
  std::vector<double*> columns;
  for (std::size_t j = 0; j < feature.width; ++j)
    columns.push_back(out.writable_column(feature.first + j).data());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::uint32_t code = column.codes[rows[i]];
    const std::size_t own = code == kMissingCode ? missing : slot[code];
    if (own != kUnseen) columns[own][i] = 1.0;
  }
}

void FeatureEncoder::transform_numbers(const Feature& feature, const Column& column,
                                       std::span<const std::uint32_t> rows, Matrix& out) const {
  for (std::size_t part = 0; part < feature.width; ++part) {
    std::span<double> values = out.writable_column(feature.first + part);
    for (std::size_t i = 0; i < rows.size(); ++i)
      values[i] = number_part(column, rows[i], feature.type, part);
    if (feature.encoding == Encoding::kCodes) continue;
    const double mean = feature.means[part];
    for (double& value : values) {
      if (std::isnan(value)) value = mean;
    }
    if (feature.encoding != Encoding::kStandardized) continue;
    for (double& value : values) value = standardized(value, mean, feature.scales[part]);
  }
}

std::vector<std::string> FeatureEncoder::input_columns() const {
  std::vector<std::string> columns;
  for (const Feature& feature : features_) columns.push_back(feature.column);
  return each_once(std::move(columns));
}

std::vector<std::string> FeatureEncoder::text_columns() const {
  std::vector<std::string> columns;
  for (const Feature& feature : features_) {
    if (feature.was_text) columns.push_back(feature.column);
  }
  return each_once(std::move(columns));
}

std::vector<OneHotBlock> FeatureEncoder::one_hot_blocks() const {
  std::vector<OneHotBlock> blocks;
  for (const Feature& feature : features_) {
    if (feature.encoding != Encoding::kCodes && feature.type == ColumnType::kText &&
        feature.width > 0)
      blocks.push_back({feature.first, feature.width});
  }
  return blocks;
}

std::vector<std::size_t> FeatureEncoder::category_columns() const {
  std::vector<std::size_t> columns;
  for (const Feature& feature : features_) {
    if (feature.encoding == Encoding::kCodes && feature.type == ColumnType::kText)
      columns.push_back(feature.first);
  }
  return columns;
}

std::vector<Standardization> FeatureEncoder::standardization() const {
  std::vector<Standardization> columns(width());
  for (const Feature& feature : features_) {
    for (std::size_t part = 0; part < feature.scales.size(); ++part)
      columns[feature.first + part] = {.mean = feature.means[part], .scale = feature.scales[part]};
  }
  return columns;
}

}  // namespace mutirao::data
