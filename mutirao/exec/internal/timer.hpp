#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "mutirao/exec/internal/stopped_time.hpp"
#include "mutirao/exec/internal/task.hpp"

namespace mutirao::exec::internal {

/// Calls functions at their time, on one thread per process that starts with the first of them.
/// Also that thread on which what follows the end of a task happens, when the thread that saw the
/// end must not do it.
class Timer {
 public:
  using Action = std::function<void()>;

  /// Lives as long as the program: its thread is never joined.
  static Timer& current();

  /// Returns a ticket, never 0. Actions are short and do not throw. `again`: when the program was
  /// stopped at that time, it is called so much after it goes on.
  std::uint64_t at(TimePoint time, Action action, std::chrono::nanoseconds again = {});
  /// Calls it soon, after those that were posted before.
  void post(Action action) { at(TimePoint::min(), std::move(action)); }
  /// The action is not called any more, unless it is just being called.
  void cancel(std::uint64_t ticket) noexcept;

 private:
  struct Entry {
    Action action;
    std::chrono::nanoseconds again;
    StoppedTime stopped_time;
  };
  [[noreturn]] void run();
  void begin_again(TimePoint now, std::chrono::nanoseconds late);

  std::mutex mutex_;
  std::condition_variable changed_;
  bool started_ = false;
  std::uint64_t last_ticket_ = 0;
  std::map<std::pair<TimePoint, std::uint64_t>, Entry> actions_;
  std::unordered_map<std::uint64_t, TimePoint> times_;
};

}  // namespace mutirao::exec::internal
