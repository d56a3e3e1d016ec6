#include "mutirao/models/internal/onnx_features.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <vector>

namespace mutirao::models::internal {
namespace {

using Feature = data::FeatureEncoder::Feature;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// The levels that LabelEncoder looks up, each with its number. An empty cell is the empty text:
/// missing, unless that was a level.
class Levels {
 public:
  Levels(const Feature& feature, bool codes) {
    for (std::size_t i = 0; i < feature.levels.size(); ++i) add(feature.levels[i], i);
    for (const std::string& level : feature.others) add(level, feature.levels.size());
    const bool has_empty = std::find(texts_.begin(), texts_.end(), "") != texts_.end();
    if (!codes && feature.has_missing && !has_empty) add("", feature.width - 1);
  }

  bool empty() const noexcept { return texts_.empty(); }
  const std::vector<std::string>& texts() const noexcept { return texts_; }
  const std::vector<std::size_t>& numbers() const noexcept { return numbers_; }

 private:
  void add(const std::string& text, std::size_t number) {
    texts_.push_back(text);
    numbers_.push_back(number);
  }

  std::vector<std::string> texts_;
  std::vector<std::size_t> numbers_;
};

/// The number of the level, NaN without one.
std::string add_codes(OnnxGraph& graph, const std::string& input, const Feature& feature) {
  const Levels levels(feature, true);
  std::string code;
  {
    OnnxGraph::Attributes node = graph.open("LabelEncoder", {input}, code, OnnxGraph::kTrees);
    // An encoder without a key is none.
    node.texts("keys_strings", [&](auto put) {
      for (const std::string& text : levels.texts()) put(text);
      if (levels.empty()) put("");
    });
    node.reals("values_floats", [&](auto put) {
      for (const std::size_t number : levels.numbers()) put(static_cast<float>(number));
      if (levels.empty()) put(kNaN);
    });
    node.real("default_float", kNaN);
  }
  return graph.cast(code, OnnxType::kDouble);
}

/// A column of 0 and 1 for each number that a level has.
std::string add_one_hot(OnnxGraph& graph, const std::string& input, const Feature& feature) {
  const Levels levels(feature, false);
  std::string number;
  {
    OnnxGraph::Attributes node = graph.open("LabelEncoder", {input}, number, OnnxGraph::kTrees);
    node.texts("keys_strings", [&](auto put) {
      for (const std::string& text : levels.texts()) put(text);
    });
    node.numbers("values_int64s", [&](auto put) {
      for (const std::size_t each : levels.numbers()) put(static_cast<std::int64_t>(each));
    });
    node.number("default_int64", -1);
  }
  const std::string all = graph.row_of_integers(feature.width);
  return graph.cast(graph.apply("Equal", {number, all}), OnnxType::kDouble);
}

/// Parts of moments that are given in seconds. Days are counted from 1 March of the year 0, so that
/// a leap day ends its year, as Howard Hinnant's civil_from_days has it; all in float64, whose
/// quotients of such integers are never rounded up to one.
class DateParts {
 public:
  DateParts(OnnxGraph& graph, std::string seconds) : graph_(graph), seconds_(std::move(seconds)) {
    days_ = quotient(seconds_, 86400.0);
    const std::string since = plus(days_, 719468.0);
    const std::string era = quotient(since, 146097.0);
    const std::string day = minus(since, times(era, 146097.0));  // of its 400 years
    const std::string leaps =
        graph_.apply("Add", {minus(quotient(day, 36524.0), quotient(day, 1460.0)),
                             times(quotient(day, 146096.0), -1.0)});
    const std::string year = quotient(graph_.apply("Add", {day, leaps}), 365.0);  // of the 400
    const std::string before = graph_.apply(
        "Add", {times(year, 365.0), minus(quotient(year, 4.0), quotient(year, 100.0))});
    const std::string month = quotient(plus(times(minus(day, before), 5.0), 2.0), 153.0);
    const std::string next_year = quotient(month, 10.0);  // January and February: 1
    month_ = minus(plus(month, 3.0), times(next_year, 12.0));
    year_ = graph_.apply("Add", {graph_.apply("Add", {year, times(era, 400.0)}), next_year});
  }

  std::string part(std::string_view name) {
    if (name == "days") return days_;
    if (name == "year") return year_;
    if (name == "month") return month_;
    if (name == "weekday") {
      const std::string thursday = plus(days_, 3.0);
      return minus(thursday, times(quotient(thursday, 7.0), 7.0));
    }
    if (name == "day_of_year") {
      const std::string last = plus(year_, -1.0);
      const std::string leaps = graph_.apply(
          "Add", {minus(quotient(last, 4.0), quotient(last, 100.0)), quotient(last, 400.0)});
      return plus(minus(days_, graph_.apply("Add", {times(last, 365.0), leaps})), 719163.0);
    }
    return quotient(minus(seconds_, times(days_, 86400.0)), 3600.0);
  }

 private:
  std::string plus(const std::string& a, double b) {
    return graph_.apply("Add", {a, graph_.scalar(b)});
  }
  std::string minus(const std::string& a, const std::string& b) {
    return graph_.apply("Sub", {a, b});
  }
  std::string times(const std::string& a, double b) {
    return graph_.apply("Mul", {a, graph_.scalar(b)});
  }
  std::string quotient(const std::string& a, double b) {
    return graph_.apply("Floor", {graph_.apply("Div", {a, graph_.scalar(b)})});
  }

  OnnxGraph& graph_;
  std::string seconds_;
  std::string days_;
  std::string month_;
  std::string year_;
};

void add_input(OnnxGraph& graph, const Feature& feature) {
  switch (feature.type) {
    case data::ColumnType::kText:
      graph.input(feature.column, OnnxType::kText,
                  feature.was_text ? "text; empty: missing"
                                   : "a number or boolean as text: 3, 0.5, true; empty: missing");
      break;
    case data::ColumnType::kTimestamp:
      graph.input(feature.column, OnnxType::kDouble, "seconds since 1970-01-01 UTC; NaN: missing");
      break;
    case data::ColumnType::kBoolean:
      graph.input(feature.column, OnnxType::kDouble, "0 or 1; NaN: missing");
      break;
    case data::ColumnType::kNumber:
      graph.input(feature.column, OnnxType::kDouble, "NaN: missing");
  }
}

}  // namespace

std::string add_features(OnnxGraph& graph, const data::FeatureEncoder& encoder) {
  // Encoders side by side may want a column of the table more than once.
  std::set<std::string> inputs;
  for (const Feature& feature : encoder.features()) {
    if (inputs.insert(feature.column).second) add_input(graph, feature);
  }
  std::vector<std::string> columns;
  // What stands for missing; codes stay missing.
  std::vector<double> means(encoder.width(), 0.0);
  std::vector<double> scales(encoder.width(), 1.0);
  std::vector<double> shifts(encoder.width(), 0.0);
  bool some_filled = false;
  bool some_standardized = false;
  for (const Feature& feature : encoder.features()) {
    if (feature.width == 0) continue;
    const bool codes = feature.encoding == data::Encoding::kCodes;
    if (feature.type == data::ColumnType::kText) {
      columns.push_back(codes ? add_codes(graph, feature.column, feature)
                              : add_one_hot(graph, feature.column, feature));
    } else if (feature.type == data::ColumnType::kTimestamp) {
      DateParts parts(graph, feature.column);
      for (std::size_t i = 0; i < feature.width; ++i)
        columns.push_back(parts.part(data::kDateParts[i]));
    } else {
      columns.push_back(feature.column);
    }
    some_filled = some_filled || !codes;
    some_standardized = some_standardized || feature.encoding == data::Encoding::kStandardized;
    if (codes) {
      std::fill_n(means.begin() + static_cast<std::ptrdiff_t>(feature.first), feature.width,
                  std::numeric_limits<double>::quiet_NaN());
    }
    for (std::size_t i = 0; i < feature.means.size(); ++i)
      means[feature.first + i] = feature.means[i];
    for (std::size_t i = 0; i < feature.scales.size(); ++i) {
      shifts[feature.first + i] = feature.means[i];
      scales[feature.first + i] = feature.scales[i];
    }
  }
  const std::string values = graph.concatenate(columns);
  if (!some_filled) return values;
  const std::string filled =
      graph.apply("Where", {graph.apply("IsNaN", {values}), graph.row(means), values});
  if (!some_standardized) return filled;
  return graph.apply("Div", {graph.apply("Sub", {filled, graph.row(shifts)}), graph.row(scales)});
}

}  // namespace mutirao::models::internal
