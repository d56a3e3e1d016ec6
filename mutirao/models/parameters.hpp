#pragma once

// Parameters of estimators as people write them: random_forest.n_estimators=500.
//
// Purpose: from text to the options of an estimator and back. Guarantees: text_of(parse(text)) is
// the same parameter. Thread safety: values. Failure: core::InvalidArgument that names the
// estimator, the parameter and the value, and suggests.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace mutirao::models {

/// Name of a parameter -> its value as text. "none" stands for no limit.
using ParameterMap = std::map<std::string, std::string>;

/// One parameter of an estimator, for people.
struct ParameterInfo {
  std::string name;
  std::string type;           ///< "integer", "integer or none", "true or false", ...
  std::string default_value;  ///< as text
  std::string range;          ///< "at least 1", "0 to 0.5", "squared_error"
  std::string doc;            ///< one line
};

/// A count of rows: a number of them, or a fraction of the training rows.
using CountOrFraction = std::variant<std::int64_t, double>;

/// How many features a node looks at.
struct MaxFeatures {
  /// kDefault: what the estimator has as its default: sqrt for forests of classifiers, else all.
  enum class Kind : std::uint8_t { kDefault, kAll, kCount, kFraction, kSqrt, kLog2 };
  Kind kind = Kind::kDefault;
  std::int64_t count = 0;
  double fraction = 1.0;

  static MaxFeatures all() noexcept { return {.kind = Kind::kAll}; }
  static MaxFeatures sqrt() noexcept { return {.kind = Kind::kSqrt}; }
  static MaxFeatures log2() noexcept { return {.kind = Kind::kLog2}; }
  static MaxFeatures of(std::int64_t count) noexcept {
    return {.kind = Kind::kCount, .count = count};
  }
  static MaxFeatures part(double fraction) noexcept {
    return {.kind = Kind::kFraction, .fraction = fraction};
  }
  /// At least 1, at most n_features, as scikit-learn counts them.
  std::size_t resolve(std::size_t n_features) const noexcept;
  bool operator==(const MaxFeatures&) const = default;
};

std::string text_of(bool value);
std::string text_of(std::int64_t value);
/// The shortest text that reads back as the same number; always with a point or an exponent.
std::string text_of(double value);
std::string text_of(const CountOrFraction& value);
std::string text_of(const MaxFeatures& value);

}  // namespace mutirao::models
