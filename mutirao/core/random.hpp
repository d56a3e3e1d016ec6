#pragma once

#include <bit>
#include <cstdint>
#include <initializer_list>

namespace mutirao::core {

/// A reproducible stream of random numbers, independent of platform, thread and standard library.
///
/// Requires: nothing. Guarantees: the same key gives the same numbers for ever; streams with
/// different keys are independent for all practical purposes. Give each unit of work (a tree, a
/// fold) a stream of its own, keyed by the seed and the unit's index, and results do not depend on
/// who runs what.
///
/// Algorithm: xoshiro256++ 1.0 (Blackman and Vigna, 2019), state filled by SplitMix64 over the key.
/// Thread safety: one object, one thread.
class RandomStream {
 public:
  /// RandomStream({seed, kTreeStream, tree_index})
  RandomStream(std::initializer_list<std::uint64_t> key) noexcept {
    std::uint64_t mixer = 0x6d757469'72616f21ULL;
    for (const std::uint64_t part : key) mixer = split_mix(mixer ^ split_mix(part));
    for (std::uint64_t& word : state_) word = split_mix(mixer += 0x9e3779b97f4a7c15ULL);
  }

  /// 64 random bits.
  std::uint64_t next() noexcept {
    const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// Uniform in [0, bound), without bias (Lemire 2019). Requires: bound > 0.
  std::uint64_t below(std::uint64_t bound) noexcept {
    __extension__ using Wide = unsigned __int128;
    Wide product = static_cast<Wide>(next()) * bound;
    auto low = static_cast<std::uint64_t>(product);
    if (low < bound) {
      const std::uint64_t threshold = -bound % bound;
      while (low < threshold) {
        product = static_cast<Wide>(next()) * bound;
        low = static_cast<std::uint64_t>(product);
      }
    }
    return static_cast<std::uint64_t>(product >> 64);
  }

  /// Uniform in [0, 1), 53 bits.
  double uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

 private:
  static std::uint64_t split_mix(std::uint64_t value) noexcept {
    value += 0x9e3779b97f4a7c15ULL;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
    return value ^ (value >> 31);
  }

  std::uint64_t state_[4];
};

}  // namespace mutirao::core
