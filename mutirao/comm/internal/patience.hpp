#pragma once

#include <chrono>

#include <sched.h>

#include "mutirao/core/futex.hpp"

namespace mutirao::comm::internal {

/// How long a rank looks again and again before it sleeps: longer than another core takes to do its
/// part, shorter than anybody notices. With more ranks than cores it lets the others run at once.
class Patience {
 public:
  explicit Patience(bool crowded) noexcept : crowded_(crowded) {}

  /// After a sleep: something has happened, more may follow soon.
  void renew() noexcept {
    yields_ = 0;
    spent_ = 0;
  }

  /// Looks until `ready` or until patience ends; false when it has ended.
  template <class Ready>
  bool lasts(Ready ready) noexcept {
    if (crowded_) {
      if (yields_ >= kYields) return false;
      ++yields_;
      ::sched_yield();
      return true;
    }
    const auto end = std::chrono::steady_clock::now() + (first_ ? kFirst : kAgain);
    first_ = false;
    do {
      for (int i = 0; i < kPauses; ++i) {
        if (ready()) return spent_ < kLooks && ++spent_ > 0;
        core::spin_pause();
      }
    } while (std::chrono::steady_clock::now() < end);
    return false;
  }

 private:
  static constexpr int kYields = 4;
  static constexpr int kPauses = 32;
  static constexpr int kLooks = 4096;  // "ready" that came to nothing: others are at work
  static constexpr std::chrono::microseconds kFirst{100};
  static constexpr std::chrono::microseconds kAgain{20};

  const bool crowded_;
  bool first_ = true;
  int yields_ = 0;
  int spent_ = 0;
};

}  // namespace mutirao::comm::internal
