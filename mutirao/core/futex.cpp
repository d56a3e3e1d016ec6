#include "mutirao/core/futex.hpp"

#include <cerrno>
#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace mutirao::core {
namespace {

std::uint32_t* address_of(const std::atomic<std::uint32_t>& word) noexcept {
  static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));
  return reinterpret_cast<std::uint32_t*>(const_cast<std::atomic<std::uint32_t>*>(&word));
}

int flags_of(FutexScope scope) noexcept {
  return scope == FutexScope::kProcess ? FUTEX_PRIVATE_FLAG : 0;
}

}  // namespace

bool futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected, FutexScope scope,
                std::optional<SteadyTime> deadline, std::uint32_t lanes) noexcept {
  // FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC, which is what steady_clock reads.
  timespec time{};
  if (deadline) {
    const auto nanoseconds =
        std::chrono::duration_cast<std::chrono::nanoseconds>(deadline->time_since_epoch()).count();
    if (nanoseconds <= 0) return false;
    time.tv_sec = nanoseconds / 1'000'000'000;
    time.tv_nsec = nanoseconds % 1'000'000'000;
  }
  const int saved = errno;
  const long result = ::syscall(SYS_futex, address_of(word), FUTEX_WAIT_BITSET | flags_of(scope),
                                expected, deadline ? &time : nullptr, nullptr, lanes);
  const bool timed_out = result != 0 && errno == ETIMEDOUT;
  errno = saved;
  return !timed_out;
}

void futex_wake(const std::atomic<std::uint32_t>& word, int count, FutexScope scope,
                std::uint32_t lanes) noexcept {
  const int saved = errno;
  ::syscall(SYS_futex, address_of(word), FUTEX_WAKE_BITSET | flags_of(scope), count, nullptr,
            nullptr, lanes);
  errno = saved;
}

}  // namespace mutirao::core
