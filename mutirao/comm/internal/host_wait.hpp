#pragma once

#include "mutirao/comm/internal/host_group.hpp"
#include "mutirao/comm/internal/patience.hpp"
#include "mutirao/core/futex.hpp"

namespace mutirao::comm::internal {

/// Works until `advance` (called under mutex_) says that it is there. `ready`, without the mutex:
/// whether advance() might find something to do. `check(since)` throws when it will never come.
template <class Advance, class Ready, class Check>
void HostGroup::wait_until(Advance advance, Ready ready, Check check) {
  const auto there = [&] {
    const std::lock_guard lock(mutex_);
    return advance();
  };
  if (there()) return;
  /// Counts this thread among those that want to be woken.
  struct Sleeper {
    explicit Sleeper(RankEntry& entry) noexcept : entry(entry) {
      entry.sleepers.fetch_add(1, std::memory_order_seq_cst);
    }
    ~Sleeper() { entry.sleepers.fetch_sub(1, std::memory_order_seq_cst); }
    RankEntry& entry;
  };
  constexpr std::chrono::milliseconds kLook{100};
  constexpr std::chrono::microseconds kPoll{200};
  constexpr std::chrono::milliseconds kNextLook{1};
  RankEntry& me = memory_.rank(box_.index);
  const Clock::time_point since = Clock::now();
  Patience patience(crowded_);
  for (;;) {
    if (patience.lasts([&] { return polls_ || ready() || board_.failed(); })) {
      if (there()) return;
      board_.throw_if_failed();
      continue;
    }
    {
      const Sleeper sleeper(me);
      const std::uint32_t bell = me.bell.load(std::memory_order_seq_cst);
      if (there()) return;
      if (!board_.failed() && !(awaits_link_ && link_->sleep(kNextLook)))
        core::futex_wait(me.bell, bell, core::FutexScope::kShared,
                         Clock::now() + (polls_ ? Clock::duration(kPoll) : kLook));
    }
    if (there()) return;
    check(since);
    patience.renew();
  }
}

}  // namespace mutirao::comm::internal
