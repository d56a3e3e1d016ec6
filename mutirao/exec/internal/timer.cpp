#include "mutirao/exec/internal/timer.hpp"

#include <iterator>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>

#include "mutirao/core/signals_blocked.hpp"

namespace mutirao::exec::internal {

Timer& Timer::current() {
  static Timer& timer = *new Timer;
  return timer;
}

std::uint64_t Timer::at(TimePoint time, Action action, std::chrono::nanoseconds again) {
  const std::lock_guard lock(mutex_);
  if (!started_) {
    const core::SignalsBlocked blocked;
    std::thread([this] { run(); }).detach();
    started_ = true;
  }
  const std::uint64_t ticket = ++last_ticket_;
  const auto place =
      actions_.emplace(std::pair(time, ticket), Entry{std::move(action), again, {}}).first;
  times_.emplace(ticket, time);
  if (place == actions_.begin()) changed_.notify_one();
  return ticket;
}

void Timer::cancel(std::uint64_t ticket) noexcept {
  // What the action holds is let go of without the lock.
  Action action;
  const std::lock_guard lock(mutex_);
  const auto time = times_.find(ticket);
  if (time == times_.end()) return;
  const auto place = actions_.find({time->second, ticket});
  action = std::move(place->second.action);
  actions_.erase(place);
  times_.erase(time);
}

void Timer::begin_again(TimePoint now, std::chrono::nanoseconds late) {
  std::vector<decltype(actions_)::node_type> begun_anew;
  for (auto each = actions_.begin(); each != actions_.end() && each->first.first <= now;) {
    const auto next = std::next(each);
    Entry& entry = each->second;
    if (entry.again.count() != 0 && entry.stopped_time.begins_anew(late))
      begun_anew.push_back(actions_.extract(each));
    each = next;
  }
  for (auto& node : begun_anew) {
    node.key().first = later(now, node.mapped().again);
    times_[node.key().second] = node.key().first;
    actions_.insert(std::move(node));
  }
}

void Timer::run() {
  ::pthread_setname_np(::pthread_self(), "mutirao-timer");
  std::unique_lock lock(mutex_);
  for (;;) {
    if (actions_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const auto first = actions_.begin();
    const TimePoint time = first->first.first;
    if (time > TimePoint::clock::now()) {
      changed_.wait_until(lock, time);
      const TimePoint now = TimePoint::clock::now();
      begin_again(now, now - time);
      continue;
    }
    Action action = std::move(first->second.action);
    times_.erase(first->first.second);
    actions_.erase(first);
    lock.unlock();
    action();
    action = nullptr;
    lock.lock();
  }
}

}  // namespace mutirao::exec::internal
