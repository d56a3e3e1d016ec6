#pragma once

// What splits make smaller.

#include <bit>
#include <cstdint>

namespace mutirao::models::internal {

enum class Impurity : std::uint8_t {
  kSquaredError,  ///< of a number; of two classes numbered 0 and 1 it is half of the gini impurity
  kGini,
  kEntropy,  ///< in bits
};

/// x log2 x, and 0 for what is not positive. The library's logarithm may differ from processor to
/// processor; this one has the same bytes on all.
inline double x_log2_x(double x) noexcept {
  if (!(x > 0.0)) return 0.0;
  constexpr std::uint64_t kMantissa = (std::uint64_t{1} << 52) - 1;
  constexpr double kSqrt2 = 1.4142135623730951;
  constexpr double kTwoOverLn2 = 2.8853900817779268;
  const auto bits = std::bit_cast<std::uint64_t>(x);
  double exponent = static_cast<double>(static_cast<std::int64_t>(bits >> 52) - 1023);
  auto mantissa = std::bit_cast<double>((bits & kMantissa) | std::uint64_t{1023} << 52);
  if (mantissa > kSqrt2) {
    mantissa *= 0.5;
    exponent += 1.0;
  }
  // log m = 2 artanh((m - 1) / (m + 1)); the square is below 0.0295.
  const double s = (mantissa - 1.0) / (mantissa + 1.0);
  const double z = s * s;
  double series = 1.0 / 21.0;
  for (int odd = 19; odd >= 1; odd -= 2) series = series * z + 1.0 / odd;
  return x * (exponent + kTwoOverLn2 * s * series);
}

}  // namespace mutirao::models::internal
