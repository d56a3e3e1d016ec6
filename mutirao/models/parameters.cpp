#include "mutirao/models/parameters.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace mutirao::models {

std::size_t MaxFeatures::resolve(std::size_t n_features) const noexcept {
  const auto p = static_cast<double>(n_features);
  double wanted = p;
  switch (kind) {
    case Kind::kDefault:
    case Kind::kAll:
      break;
    case Kind::kCount:
      wanted = static_cast<double>(count);
      break;
    case Kind::kFraction:
      wanted = std::floor(fraction * p);
      break;
    case Kind::kSqrt:
      wanted = std::floor(std::sqrt(p));
      break;
    case Kind::kLog2:
      wanted = std::floor(std::log2(p));
      break;
  }
  return static_cast<std::size_t>(std::clamp(wanted, 1.0, std::max(1.0, p)));
}

std::string text_of(bool value) { return value ? "true" : "false"; }

std::string text_of(std::int64_t value) { return std::to_string(value); }

std::string text_of(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

std::string text_of(const CountOrFraction& value) {
  return std::visit([](auto number) { return text_of(number); }, value);
}

std::string text_of(const MaxFeatures& value) {
  switch (value.kind) {
    case MaxFeatures::Kind::kCount:
      return text_of(value.count);
    case MaxFeatures::Kind::kFraction:
      return text_of(value.fraction);
    case MaxFeatures::Kind::kSqrt:
      return "sqrt";
    case MaxFeatures::Kind::kLog2:
      return "log2";
    case MaxFeatures::Kind::kDefault:
    case MaxFeatures::Kind::kAll:
      break;
  }
  return "none";
}

}  // namespace mutirao::models
