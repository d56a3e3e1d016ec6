#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace mutirao::core {

/// Who may sleep on a word: threads of this process only, or of every process that maps it.
enum class FutexScope { kProcess, kShared };

using SteadyTime = std::chrono::steady_clock::time_point;

/// Sleeps while `word` holds `expected`, until a wake or the deadline; may also return for no
/// reason, so look again. False when the deadline has passed. `lanes`: only wakes that share a bit
/// reach this sleeper.
bool futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected, FutexScope scope,
                std::optional<SteadyTime> deadline = std::nullopt,
                std::uint32_t lanes = ~0U) noexcept;

/// Wakes at most `count` sleepers whose lanes share a bit with `lanes`.
void futex_wake(const std::atomic<std::uint32_t>& word, int count, FutexScope scope,
                std::uint32_t lanes = ~0U) noexcept;

/// For the body of a loop that looks at memory again and again.
inline void spin_pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace mutirao::core
