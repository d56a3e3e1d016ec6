#pragma once

// The result of a task that may still be running.
//
// Purpose: what Executor::submit returns. Requires: nothing. Guarantees: exactly one of value or
// exception comes out of get(). Thread safety: one Future, one thread; the task runs wherever its
// executor says. Ordering: what the task wrote is visible to whoever returns from get(), wait() or
// a true ready(). Failure: get() throws what the task threw, or an error of exec/error.hpp; a
// second get() throws core::InvalidArgument. Lifetime: dropping a Future detaches from the task,
// which goes on; a Future may outlive its executor.
//
//   Future<int> answer = pool.submit([](int x) { return x * x; }, 12);
//   while (!answer.wait_for(100ms)) draw(answer.progress());
//   int square = answer.get();

#include <chrono>
#include <type_traits>
#include <utility>

#include <sys/types.h>

#include "mutirao/exec/error.hpp"
#include "mutirao/exec/internal/remote_task.hpp"
#include "mutirao/exec/internal/task.hpp"
#include "mutirao/exec/progress.hpp"

namespace mutirao::exec {

class Executor;
template <class R>
class SharedFuture;

template <class R>
class [[nodiscard]] Future {
 public:
  /// An empty future: valid() is false.
  Future() noexcept = default;
  Future(Future&&) noexcept = default;
  Future& operator=(Future&& other) noexcept {
    if (task_) task_->detach();
    task_ = std::move(other.task_);
    return *this;
  }
  ~Future() {
    if (task_) task_->detach();
  }

  /// False for an empty future and after get().
  bool valid() const noexcept { return static_cast<bool>(task_); }
  /// Waits for the task; returns its value or throws its exception. Empties the future.
  R get() {
    internal::TaskRef task = std::move(need_task());
    task->wait();
    return internal::take_result<R>(*task);
  }
  void wait() const { need_task()->wait(); }
  /// True when the task has ended within `duration`.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> duration) const {
    return need_task()->wait_until(std::chrono::steady_clock::now() + duration);
  }
  /// Takes the task back: true when it had not begun and never will; get() throws Cancelled. Else
  /// false: a task that runs is asked to stop (this_task::stop_token()), and what it then returns
  /// or throws is its outcome; a process that goes on for longer than its executor's `grace` is
  /// killed and get() throws Cancelled. A thread cannot be killed. Never waits.
  bool cancel() { return need_task()->cancel(); }
  /// Whether get() would return at once.
  bool ready() const { return need_task()->poll(); }

  /// Calls `function` with the value (with nothing, for void) on `executor` when it is there, as
  /// executor.submit(function, std::move(*this)) does; see Executor::submit about failures.
  template <class F>
  auto then(Executor& executor, F&& function) &&;
  /// A future of the same task that can be copied. Empties this one.
  SharedFuture<R> share() && {
    internal::TaskRef task = std::move(need_task());
    return SharedFuture<R>(std::move(task));
  }

  /// The last that the task reported; all zero before the first.
  Progress progress() const { return need_task()->progress(); }
  /// The process that runs or ran the task; 0 while none does.
  pid_t worker_pid() const { return need_task()->worker_pid(); }
  /// How many cores of the CoreBudget the worker process that runs the task holds just now; 0 while
  /// none does, and for tasks that run elsewhere.
  std::size_t cores_held() const { return need_task()->cores_held(); }

 private:
  friend class Executor;
  friend struct internal::FutureAccess;
  explicit Future(internal::TaskRef task) noexcept : task_(std::move(task)) {}
  const internal::TaskRef& need_task() const {
    if (!task_) internal::throw_empty_future();
    return task_;
  }
  internal::TaskRef& need_task() {
    if (!task_) internal::throw_empty_future();
    return task_;
  }

  internal::TaskRef task_;
};

}  // namespace mutirao::exec
