#pragma once

// From the text of a parameter's value to the value. Each throws core::InvalidArgument whose
// message says what the text is not: "is not an integer".

#include <cstdint>
#include <optional>
#include <string>

#include "mutirao/models/parameters.hpp"

namespace mutirao::models::internal {

bool is_none(const std::string& text);
std::int64_t to_integer(const std::string& text);
/// Finite.
double to_real(const std::string& text);
bool to_bool(const std::string& text);
std::optional<std::int64_t> to_integer_or_none(const std::string& text);
CountOrFraction to_count_or_fraction(const std::string& text);
MaxFeatures to_max_features(const std::string& text);

template <class T>
std::string text_or_none(const std::optional<T>& value) {
  return value ? text_of(*value) : "none";
}

}  // namespace mutirao::models::internal
