#pragma once

// What an executor is behind its interface.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <unordered_map>

#include <sys/types.h>

#include "mutirao/core/archive.hpp"
#include "mutirao/core/process.hpp"
#include "mutirao/exec/cancellation.hpp"
#include "mutirao/exec/executor_stats.hpp"
#include "mutirao/exec/internal/task.hpp"

namespace mutirao::exec::internal {

/// The stop sources of the tasks, in this process, that have asked for theirs: most never do.
class StopSources {
 public:
  std::stop_token token_of(Task& task);
  void request(Task& task);
  /// From now on every task is asked to stop, also those that ask for their token later.
  void request_all();
  void forget(const Task& task) noexcept;

 private:
  std::mutex mutex_;
  bool all_ = false;
  std::unordered_map<const Task*, std::stop_source> sources_;
};

/// Where tasks run. Outlives its executor while a future refers to it.
class Backend {
 public:
  /// Whether a process that is forked can go on using it.
  enum class InFork { kUnusable, kUsable };
  /// `remote`: tasks are encoded and run in other processes.
  explicit Backend(bool remote, InFork in_fork = InFork::kUnusable)
      : remote_(remote), in_fork_(in_fork) {}
  virtual ~Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  /// Accepts a task; throws ExecutorClosed. Its outcome arrives through Task::finish.
  virtual void start(const TaskRef& task) = 0;
  virtual void start_all(std::span<const TaskRef> tasks) {
    for (const TaskRef& task : tasks) start(task);
  }
  /// Takes a task back that has not begun, and fails it with Cancelled; false when it has.
  virtual bool cancel_queued(Task& task) = 0;
  /// As cancel_queued; a task that has begun is asked to stop, and killed where that is possible.
  virtual bool cancel(Task& task) = 0;
  /// Takes no more tasks and sees to it that those there are end; does not wait for that. A later
  /// call may ask for more.
  virtual void close(Shutdown how) = 0;
  /// close(), then returns when no task runs and none will.
  virtual void shut_down(Shutdown how) = 0;
  virtual void ask_running_to_stop() { stop_sources().request_all(); }
  virtual ExecutorStats stats() const = 0;
  /// Waits until the task is done; false when the deadline came first.
  virtual bool wait(Task& task, std::optional<TimePoint> deadline) {
    return task.sleep_until(deadline);
  }
  /// A task of this backend sleeps before its next attempt, or until it is asked to stop.
  virtual void pause(Task& task, std::chrono::nanoseconds time);
  /// Looks whether results have arrived; never waits.
  virtual void poll() {}
  virtual Progress progress(Task& task);
  /// Nobody waits for the task any more, and nobody will.
  virtual void detach() {}
  /// Nobody may be waiting for the task, but its end should be noticed at once.
  virtual void watch(Task&) {}
  /// A task was finished by somebody else: whoever waits must look.
  virtual void wake_waiters() {}
  virtual pid_t worker_pid(Task& task) { return task.known_worker_pid(); }
  /// Of the core budget, by the process that runs the task; 0 where that is not known.
  virtual std::size_t cores_held(Task&) { return 0; }
  virtual std::size_t worker_count() const noexcept = 0;
  /// Where large blocks of arguments may go; null: into the payload.
  virtual core::BlockSource* block_source() noexcept { return nullptr; }

  bool remote() const noexcept { return remote_; }
  /// Whether this is a copy in a process that was forked: whatever serves it is elsewhere.
  bool left_behind() const noexcept {
    return forks_ != core::fork_count() && in_fork_ == InFork::kUnusable;
  }
  /// Throws ExecutorClosed if it was left behind.
  void require_own_process() const {
    if (left_behind()) throw_left_behind();
  }
  StopSources& stop_sources() noexcept { return stop_sources_; }

 private:
  [[noreturn]] static void throw_left_behind();

  const bool remote_;
  const InFork in_fork_;
  const std::uint32_t forks_ = core::fork_count();
  StopSources stop_sources_;
};

}  // namespace mutirao::exec::internal
