#pragma once

// exp and log that give the same bits on every processor: the C library picks other code where
// there are fused multiply-adds. Errors stay below four units in the last place.

#include <bit>
#include <cmath>
#include <cstdint>

namespace mutirao::models::internal {

/// e^x for x <= 0; 0 below -708.
inline double exp_of_negative(double x) noexcept {
  if (!(x > -708.0)) return 0.0;
  // x = k ln 2 + r, |r| <= ln 2 / 2 (Cody and Waite 1980); then Taylor's series.
  constexpr double kLn2High = 0x1.62e42fefap-1;
  constexpr double kLn2Low = 0x1.cf79abc9e3b3ap-40;
  const double k = std::floor(x * 0x1.71547652b82fep+0 + 0.5);
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double sum = 1.0 / 6227020800.0;
  sum = sum * r + 1.0 / 479001600.0;
  sum = sum * r + 1.0 / 39916800.0;
  sum = sum * r + 1.0 / 3628800.0;
  sum = sum * r + 1.0 / 362880.0;
  sum = sum * r + 1.0 / 40320.0;
  sum = sum * r + 1.0 / 5040.0;
  sum = sum * r + 1.0 / 720.0;
  sum = sum * r + 1.0 / 120.0;
  sum = sum * r + 1.0 / 24.0;
  sum = sum * r + 1.0 / 6.0;
  sum = sum * r + 0.5;
  sum = sum * r + 1.0;
  sum = sum * r + 1.0;
  const auto power = static_cast<std::uint64_t>(static_cast<std::int64_t>(k) + 1023) << 52;
  return sum * std::bit_cast<double>(power);
}

/// log(1 + x) for x >= 0.
inline double log_of_one_plus(double x) noexcept {
  // 1 + x = 2^k m; log m = 2 atanh((m - 1) / (m + 1)).
  double k = 0.0;
  double t = x / (2.0 + x);
  if (x > 0.4) {
    const auto bits = std::bit_cast<std::uint64_t>(1.0 + x);
    auto exponent = static_cast<std::int64_t>(bits >> 52) - 1023;
    double m = std::bit_cast<double>((bits & 0xfffffffffffffULL) | 0x3ff0000000000000ULL);
    if (m > 1.4142135623730951) {
      m *= 0.5;
      ++exponent;
    }
    k = static_cast<double>(exponent);
    t = (m - 1.0) / (m + 1.0);
  }
  const double square = t * t;
  double sum = 1.0 / 25.0;
  for (double odd = 23.0; odd >= 1.0; odd -= 2.0) sum = sum * square + 1.0 / odd;
  return k * 0x1.62e42fefa39efp-1 + 2.0 * t * sum;
}

}  // namespace mutirao::models::internal
