#pragma once

// The state that a Future and an executor share. What an executor is behind its interface stands in
// backend.hpp, tasks that are sent in remote_task.hpp.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include <sys/types.h>

#include "mutirao/exec/internal/progress_cell.hpp"
#include "mutirao/exec/task_options.hpp"

namespace mutirao::exec::internal {

using TimePoint = std::chrono::steady_clock::time_point;

class Backend;
class RemoteTask;
class TaskRef;

/// Null: the defaults, which most tasks have.
using OptionsRef = std::shared_ptr<const TaskOptions>;
/// Throws core::InvalidArgument for values that cannot be.
OptionsRef checked(TaskOptions options);

/// What a running task can ask of whoever runs it.
class TaskContext {
 public:
  virtual ProgressCell& progress_cell() noexcept = 0;
  virtual std::stop_token stop_token() = 0;

 protected:
  ~TaskContext() = default;
};

/// One task, counted by its references. Bits of its status are only ever added.
class Task : public TaskContext {
 public:
  enum Status : std::uint32_t {
    kRunning = 1,
    kDone = 2,
    kHasWaiter = 4,
    kStopRequested = 8,
    kHasStopSource = 16,
    kSettled = 32,
    kDeferred = 64,     // waits for its dependencies
    kReleased = 128,    // and whoever set this decided what became of it
    kPrepared = 0x100,  // and it has its arguments now
    kWatched = 0x200,
    kNudge = 0x400
  };

  Task(std::shared_ptr<Backend> backend, OptionsRef options, bool remote)
      : backend_(std::move(backend)), options_(std::move(options)), remote_(remote) {}
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  bool done() const noexcept { return (status_.load(std::memory_order_acquire) & kDone) != 0; }
  /// As done(), after looking whether the result has arrived.
  bool poll();
  void wait();
  bool wait_until(TimePoint deadline);
  Progress progress();
  pid_t worker_pid();
  std::size_t cores_held();
  void detach();
  /// See Future::cancel.
  bool cancel();
  /// Asks a local task that runs.
  void request_stop();
  /// Gives it to its backend.
  void start();
  /// Calls `action` once it is done: at once, or on the thread that sees the end and may hold
  /// locks. Short; does not throw; takes no task's or pool's lock. The caller holds a reference.
  void when_done(std::function<void()> action);
  /// fail(), by somebody that its backend does not know of.
  void fail_outside(std::exception_ptr error);

  /// Sleeps until done or the deadline; used by backends that have nothing better to do.
  bool sleep_until(std::optional<TimePoint> deadline) noexcept;
  /// Sleeps until the status is no longer `seen`; may return for no reason. False at the deadline.
  bool sleep_once(std::uint32_t seen, std::optional<TimePoint> deadline) noexcept;
  std::uint32_t status() const noexcept { return status_.load(std::memory_order_acquire); }
  /// Wakes whoever sleeps on this task, to look around.
  void nudge() noexcept;
  /// Sets kRunning; false when somebody else has it, or it is done.
  bool claim() noexcept;
  /// Adds a bit; returns the status before.
  std::uint32_t add(Status bit) noexcept {
    return status_.fetch_or(bit, std::memory_order_acq_rel);
  }
  /// Sets kDone: everything that was written before is visible to whoever sees it. Once.
  void finish() noexcept;
  /// finish() with this exception.
  void fail(std::exception_ptr error) noexcept {
    error_ = std::move(error);
    finish();
  }

  /// Who may write the outcome: true for the first who asks. Only where several may want to.
  bool settle() noexcept { return (add(kSettled) & kSettled) == 0; }
  bool settled() const noexcept { return (status() & kSettled) != 0; }

  /// Runs the function here. Only local tasks.
  virtual void run() noexcept;

  /// When it was given to its executor, if that was to be traced.
  TimePoint queued_at() const noexcept { return queued_at_; }
  void note_queued() noexcept { queued_at_ = TimePoint::clock::now(); }
  const TaskOptions& options() const noexcept;
  bool has_options() const noexcept { return options_ != nullptr; }
  const std::string& name() const noexcept { return options().name; }
  bool remote() const noexcept { return remote_; }
  const std::exception_ptr& error() const noexcept { return error_; }
  ProgressCell& progress_cell() noexcept override { return progress_; }
  std::stop_token stop_token() override;
  void set_worker_pid(pid_t pid) noexcept { worker_pid_.store(pid, std::memory_order_relaxed); }
  pid_t known_worker_pid() const noexcept { return worker_pid_.load(std::memory_order_relaxed); }

  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

 protected:
  virtual ~Task();
  /// How a local attempt ended (null: well): sees to a further one, for which it returns true, or
  /// finishes the task.
  bool run_again(const std::exception_ptr& error, unsigned attempt) noexcept;
  Backend& backend() const noexcept { return *backend_; }

 private:
  /// Whether its backend was left behind; then it fails, if it is not done.
  bool lost() noexcept;
  std::atomic<std::uint32_t> references_{1};
  std::atomic<std::uint32_t> status_{0};
  std::atomic<pid_t> worker_pid_{0};
  const std::shared_ptr<Backend> backend_;
  const OptionsRef options_;
  TimePoint queued_at_{};  // written before anybody else knows the task
  const bool remote_;
  struct Continuation {
    std::function<void()> action;
    Continuation* next;
  };
  static Continuation* ended() noexcept;

  std::exception_ptr error_;  // written before kDone, read after
  ProgressCell progress_;
  std::atomic<Continuation*> continuations_{nullptr};  // ended(): done, no more are taken
};

/// Counts one reference to a task.
class TaskRef {
 public:
  TaskRef() noexcept = default;
  /// Takes over the reference that a new task is born with.
  explicit TaskRef(Task* task) noexcept : task_(task) {}
  TaskRef(const TaskRef& other) noexcept : task_(other.task_) {
    if (task_) task_->retain();
  }
  TaskRef(TaskRef&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
  TaskRef& operator=(TaskRef other) noexcept {
    std::swap(task_, other.task_);
    return *this;
  }
  ~TaskRef() {
    if (task_) task_->release();
  }
  Task* get() const noexcept { return task_; }
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete): the analyzer loses count of references
  Task* operator->() const noexcept { return task_; }
  Task& operator*() const noexcept { return *task_; }
  explicit operator bool() const noexcept { return task_ != nullptr; }

 private:
  Task* task_ = nullptr;
};

/// A task that runs in this process: holds its value.
template <class R>
class LocalTask : public Task {
 public:
  using Task::Task;
  using Value = std::conditional_t<std::is_void_v<R>, std::monostate, R>;
  std::optional<Value> value;
};

/// `time` later, or never when that is beyond the clock.
inline TimePoint later(TimePoint now, std::chrono::nanoseconds time) noexcept {
  return time > TimePoint::max() - now ? TimePoint::max() : now + time;
}

/// How long to wait after so many failed attempts.
std::chrono::nanoseconds backoff_before(const Retry& retry, unsigned failed) noexcept;

/// From now until its end, sees to the timeout of a local task.
class LocalTimeout {
 public:
  explicit LocalTimeout(Task& task);
  ~LocalTimeout();
  LocalTimeout(const LocalTimeout&) = delete;
  LocalTimeout& operator=(const LocalTimeout&) = delete;

 private:
  std::uint64_t ticket_ = 0;
};

[[noreturn]] void throw_empty_future();
/// Rethrows an exception that others may also hold.
[[noreturn]] void rethrow(const std::exception_ptr& error);
/// While it lives, what this thread asks as a task is answered by `context`.
class CurrentTask {
 public:
  explicit CurrentTask(TaskContext* context) noexcept;
  ~CurrentTask();
  CurrentTask(const CurrentTask&) = delete;
  CurrentTask& operator=(const CurrentTask&) = delete;
  static TaskContext* context() noexcept;

 private:
  TaskContext* outer_;
};

/// How the rest of this library gets at the task behind a future.
struct FutureAccess {
  template <class F>
  static const TaskRef& task(const F& future) {
    if constexpr (requires { future.task_; }) {
      return future.task_;
    } else {
      return future.need_state().task;
    }
  }
  template <class F>
  static F make(TaskRef task) {
    return F(std::move(task));
  }
};

}  // namespace mutirao::exec::internal
