#pragma once

// Rows of a parameter table, made from a member of the options: default, text and range in one
// line. The default is that of a default-made Options, so that it is written once.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/parameter_table.hpp"
#include "mutirao/models/internal/parameter_text.hpp"

namespace mutirao::models::internal {

/// What a number must be: `text` says it to people.
struct Range {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool least_allowed = true;
  const char* text = "";

  bool holds(double value) const noexcept {
    return (least_allowed ? value >= least : value > least) && value <= most;
  }
};

inline constexpr Range kAtLeastZero = {.least = 0.0, .text = "at least 0"};
inline constexpr Range kAboveZero = {.least = 0.0, .least_allowed = false, .text = "above 0"};
inline constexpr Range kAtLeastOne = {.least = 1.0, .text = "at least 1"};
inline constexpr Range kFromZeroToOne = {.least = 0.0, .most = 1.0, .text = "0 to 1"};
inline constexpr Range kAboveZeroToOne = {
    .least = 0.0, .most = 1.0, .least_allowed = false, .text = "above 0 up to 1"};

inline void check_range(double value, const Range& range) {
  if (!range.holds(value)) throw core::InvalidArgument("is out of range");
}

template <class Options>
Parameter<Options> boolean(const char* name, bool Options::*member, const char* doc) {
  return {{name, "true or false", text_of(Options{}.*member), "", doc},
          [member](Options& o, const std::string& text) { o.*member = to_bool(text); },
          [member](const Options& o) { return text_of(o.*member); }};
}

template <class Options>
Parameter<Options> integer(const char* name, std::int64_t Options::*member, Range range,
                           const char* doc) {
  return {{name, "integer", text_of(Options{}.*member), range.text, doc},
          [member, range](Options& o, const std::string& text) {
            const std::int64_t value = to_integer(text);
            check_range(static_cast<double>(value), range);
            o.*member = value;
          },
          [member](const Options& o) { return text_of(o.*member); }};
}

template <class Options>
Parameter<Options> integer_or_none(const char* name, std::optional<std::int64_t> Options::*member,
                                   Range range, const char* doc) {
  return {{name, "integer or none", text_or_none(Options{}.*member), range.text, doc},
          [member, range](Options& o, const std::string& text) {
            const std::optional<std::int64_t> value = to_integer_or_none(text);
            if (value) check_range(static_cast<double>(*value), range);
            o.*member = value;
          },
          [member](const Options& o) { return text_or_none(o.*member); }};
}

template <class Options>
Parameter<Options> real(const char* name, double Options::*member, Range range, const char* doc) {
  return {{name, "number", text_of(Options{}.*member), range.text, doc},
          [member, range](Options& o, const std::string& text) {
            const double value = to_real(text);
            check_range(value, range);
            o.*member = value;
          },
          [member](const Options& o) { return text_of(o.*member); }};
}

/// One of some words.
template <class Options>
Parameter<Options> choice(const char* name, std::string Options::*member,
                          std::vector<std::string> words, const char* doc) {
  std::string listed;
  for (const std::string& word : words) listed += (listed.empty() ? "" : ", ") + word;
  return {{name, "text", Options{}.*member, listed, doc},
          [member, words = std::move(words)](Options& o, const std::string& text) {
            for (const std::string& word : words) {
              if (word != text) continue;
              o.*member = text;
              return;
            }
            throw core::InvalidArgument("is not offered");
          },
          [member](const Options& o) { return o.*member; }};
}

/// Throws core::InvalidArgument when a value could not have been set as text: for options that a
/// program has made.
template <class Options>
void check_options(std::string_view estimator, const std::vector<Parameter<Options>>& table,
                   const Options& options) {
  Options scratch;
  for (const Parameter<Options>& parameter : table) {
    const std::string text = parameter.get(options);
    try {
      parameter.set(scratch, text);
    } catch (const core::InvalidArgument& error) {
      throw_bad_value(estimator, parameter.info, text, error.what());
    }
  }
}

}  // namespace mutirao::models::internal
