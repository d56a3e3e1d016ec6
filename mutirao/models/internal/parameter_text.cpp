#include "mutirao/models/internal/parameter_text.hpp"

#include <charconv>
#include <cmath>
#include <system_error>

#include "mutirao/core/error.hpp"

namespace mutirao::models::internal {
namespace {

template <class Number>
std::optional<Number> number_in(const std::string& text) {
  Number value{};
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc{} || end != last || text.empty()) return std::nullopt;
  return value;
}

}  // namespace

bool is_none(const std::string& text) { return text == "none" || text == "None"; }

std::int64_t to_integer(const std::string& text) {
  const auto value = number_in<std::int64_t>(text);
  if (!value) throw core::InvalidArgument("is not an integer");
  return *value;
}

double to_real(const std::string& text) {
  const auto value = number_in<double>(text);
  if (!value || !std::isfinite(*value)) throw core::InvalidArgument("is not a number");
  return *value;
}

bool to_bool(const std::string& text) {
  if (text == "true" || text == "True" || text == "1") return true;
  if (text == "false" || text == "False" || text == "0") return false;
  throw core::InvalidArgument("is neither true nor false");
}

std::optional<std::int64_t> to_integer_or_none(const std::string& text) {
  if (is_none(text)) return std::nullopt;
  return to_integer(text);
}

CountOrFraction to_count_or_fraction(const std::string& text) {
  if (const auto count = number_in<std::int64_t>(text)) return *count;
  return to_real(text);
}

MaxFeatures to_max_features(const std::string& text) {
  if (is_none(text)) return MaxFeatures::all();
  if (text == "sqrt") return MaxFeatures::sqrt();
  if (text == "log2") return MaxFeatures::log2();
  const CountOrFraction value = to_count_or_fraction(text);
  if (const auto* count = std::get_if<std::int64_t>(&value)) return MaxFeatures::of(*count);
  return MaxFeatures::part(std::get<double>(value));
}

}  // namespace mutirao::models::internal
