#pragma once

// Runs tasks on threads of this process.
//
// Purpose: many tasks, cheap to start, sharing memory; its queue is oneTBB's. Requires: nothing.
// Guarantees: tasks begin in the order in which they were submitted. A task that waits for another
// task's future never blocks the executor: it runs that task itself if it has not begun, and
// otherwise a further thread takes its place (at most 256). What a thread cannot do: be killed. A
// task that never ends is never got rid of, and one that crashes takes the program with it; use
// ProcessExecutor where that matters. Thread safety: any thread. Ordering, failure: as Executor.
// Lifetime: the destructor cancels what is queued and waits for what runs.
//
//   ThreadExecutor threads({.threads = 4});
//   Future<int> f = threads.submit([&table] { return count(table); });

#include <cstddef>
#include <functional>
#include <utility>

#include "mutirao/exec/executor.hpp"

namespace mutirao::exec {

struct ThreadExecutorOptions {
  std::size_t threads = 0;  ///< 0: as many as there are cores for this program
  /// Called once on every thread before its first task, also on those that stand in for blocked
  /// ones. When it throws, tasks that have not begun, and later ones, fail with WorkerInitFailed.
  std::function<void()> initializer;
};

class ThreadExecutor final : public Executor {
 public:
  explicit ThreadExecutor(ThreadExecutorOptions options = {});
  ~ThreadExecutor() override;

  using Executor::submit;
  /// Also takes what cannot be sent: lambdas with captures, arguments that only move.
  template <class F, class... Args>
  requires(!internal::SendableCall<F, Args...>) auto submit(F&& function, Args&&... args) {
    return submit_local(TaskOptions{}, std::forward<F>(function), std::forward<Args>(args)...);
  }
  template <class F, class... Args>
  requires(!internal::SendableCall<F, Args...>) auto submit(TaskOptions options, F&& function,
                                                            Args&&... args) {
    return submit_local(std::move(options), std::forward<F>(function), std::forward<Args>(args)...);
  }
};

}  // namespace mutirao::exec
