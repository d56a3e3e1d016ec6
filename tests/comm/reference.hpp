#pragma once

// What a reduction must give, written as plainly as it can be.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "mutirao/comm/data_type.hpp"

namespace mutirao::comm {

/// The type in which values of T are combined.
template <Element T>
struct Wide {
  using Type = T;
};
template <>
struct Wide<Bfloat16> {
  using Type = float;
};

template <Element T>
T reference_reduce(Reduction reduction, std::span<const T> values) {
  using W = typename Wide<T>::Type;
  W result = static_cast<W>(values[0]);
  for (const T each : values.subspan(1)) {
    const W value = static_cast<W>(each);
    switch (reduction) {
      case Reduction::kSum:
      case Reduction::kMean:
        if constexpr (std::same_as<T, std::int64_t>) {
          result = static_cast<std::int64_t>(static_cast<std::uint64_t>(result) +
                                             static_cast<std::uint64_t>(value));
        } else {
          result += value;
        }
        break;
      case Reduction::kMin:
        if (value < result || value != value) result = value;
        break;
      case Reduction::kMax:
        if (value > result || value != value) result = value;
        break;
    }
  }
  if (reduction == Reduction::kMean) result /= static_cast<W>(values.size());
  return static_cast<T>(result);
}

/// Any bits: huge, tiny, negative, infinite and NaN among them.
template <Element T>
std::vector<T> random_values(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<T> values(count);
  for (T& value : values) {
    const std::uint64_t word = random();
    const double number = static_cast<double>(static_cast<std::int64_t>(word >> 16)) * 1e-7 - 9e6;
    if constexpr (std::same_as<T, std::int64_t>) {
      value = static_cast<std::int64_t>(word);
    } else if constexpr (std::same_as<T, Bfloat16>) {
      value = Bfloat16(static_cast<float>(number));
    } else {
      value = static_cast<T>(number);
    }
    if constexpr (!std::same_as<T, std::int64_t>) {
      if (word % 97 == 0) value = T(std::nanf(""));
      if (word % 97 == 1) value = T(INFINITY);
      if (word % 97 == 2) value = T(-0.0F);
      if (word % 97 == 3) value = T(0.0F);
    }
  }
  return values;
}

}  // namespace mutirao::comm
