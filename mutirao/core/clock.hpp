#pragma once

// Durations by a clock that never jumps. Thread safety: any thread.

#include <chrono>

namespace mutirao::core {

/// Seconds from then until now.
inline double seconds_since(std::chrono::steady_clock::time_point start) noexcept {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace mutirao::core
