#pragma once

// What collectives carry and how they combine it.
//
// Guarantees of every reduction: the values of the ranks are combined in the order of the ranks,
// so the result has the same bytes on every rank, run after run, on every instruction set.
//   sum   float32 and float64 in their own precision; bfloat16 adds in float32 and rounds once (to
//         nearest, ties to even); int64 wraps around.
//   mean  the sum divided by the world size, rounded once; int64 rounds toward zero.
//   min, max  a NaN anywhere makes the result NaN; of equal values (-0.0, +0.0) the lowest rank's.
// Thread safety: values.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace mutirao::comm {

enum class DataType : std::uint32_t { kFloat32, kFloat64, kBfloat16, kInt64 };
enum class Reduction : std::uint32_t { kSum, kMean, kMin, kMax };

/// The upper half of a float32.
struct Bfloat16 {
  std::uint16_t bits = 0;

  Bfloat16() noexcept = default;
  /// Rounds to nearest, ties to even; a NaN stays one.
  explicit Bfloat16(float value) noexcept {
    std::uint32_t word;
    std::memcpy(&word, &value, sizeof word);
    const bool is_nan = (word & 0x7fffffffU) > 0x7f800000U;
    bits = static_cast<std::uint16_t>(is_nan ? (word >> 16) | 0x40U
                                             : (word + 0x7fffU + ((word >> 16) & 1U)) >> 16);
  }
  explicit operator float() const noexcept {
    const std::uint32_t word = std::uint32_t{bits} << 16;
    float value;
    std::memcpy(&value, &word, sizeof value);
    return value;
  }
  friend bool operator==(Bfloat16, Bfloat16) noexcept = default;
};

/// A type that collectives carry.
template <class T>
concept Element = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, Bfloat16> ||
    std::same_as<T, std::int64_t>;

template <Element T>
constexpr DataType data_type_of() noexcept {
  if constexpr (std::same_as<T, float>) return DataType::kFloat32;
  if constexpr (std::same_as<T, double>) return DataType::kFloat64;
  if constexpr (std::same_as<T, Bfloat16>) return DataType::kBfloat16;
  if constexpr (std::same_as<T, std::int64_t>) return DataType::kInt64;
}

/// In bytes.
constexpr std::size_t size_of(DataType type) noexcept {
  return type == DataType::kFloat32 ? 4 : type == DataType::kBfloat16 ? 2 : 8;
}

std::string_view name_of(DataType type) noexcept;        ///< "float32"
std::string_view name_of(Reduction reduction) noexcept;  ///< "sum"

}  // namespace mutirao::comm
