#pragma once

// The ways in which a task can fail that are not its own exception.
//
// Purpose: what Future::get() throws when a task did not end by returning or by throwing. All are
// core::Error, so one catch clause serves; each carries a hint where something can be done.
// Guarantees: exceptions of the standard library, of the core::Error tree and of registered types
// (registered_exception.hpp) cross the border of a process as themselves (same type, message, hint,
// cause); every other type arrives as TaskError.
// Thread safety: errors are values.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "mutirao/core/error.hpp"

namespace mutirao::exec {

/// How far a worker process had come with a task.
enum class TaskPhase { kDecoding, kRunning, kEncoding };

std::string_view name_of(TaskPhase phase) noexcept;

/// The task, in another process, threw a type that cannot be rebuilt here.
class TaskError : public core::Error {
 public:
  /// `type` is the name of what was thrown, `message` what it said.
  TaskError(std::string type, const std::string& message)
      : Error(core::ErrorCode::kTask, message), type_(std::move(type)) {}
  const std::string& type() const noexcept { return type_; }

 private:
  std::string type_;
};

/// The process that ran the task ended before the task did: a signal, or exit() in mid task (with
/// any code, also 0). Only this task is lost; a new worker has taken the place.
class TaskCrashed : public core::Error {
 public:
  struct Details {
    std::string task;   ///< its name, if one was given
    int signal = 0;     ///< the signal that ended the process, or 0
    int exit_code = 0;  ///< what the process exited with, when signal is 0
    TaskPhase phase = TaskPhase::kRunning;
    pid_t worker = 0;             ///< the process that died
    std::string stderr_tail;      ///< the last it wrote on stderr, at most 4 KiB
    bool stack_overflow = false;  ///< it ran out of stack: too deep a recursion, too large a local
    /// Where it was, innermost first, a line each; empty when the signal gave it no chance to say.
    std::vector<std::string> backtrace;
  };
  explicit TaskCrashed(Details details);
  const Details& details() const noexcept { return details_; }
  int signal() const noexcept { return details_.signal; }
  int exit_code() const noexcept { return details_.exit_code; }
  TaskPhase phase() const noexcept { return details_.phase; }
  const std::string& stderr_tail() const noexcept { return details_.stderr_tail; }
  const std::vector<std::string>& backtrace() const noexcept { return details_.backtrace; }

 private:
  Details details_;
};

/// The task ran past its time (TaskOptions::timeout).
class TaskTimeout : public core::Error {
 public:
  TaskTimeout(const std::string& task, std::chrono::nanoseconds timeout);
  const std::string& task() const noexcept { return task_; }
  std::chrono::nanoseconds timeout() const noexcept { return timeout_; }

 private:
  std::string task_;
  std::chrono::nanoseconds timeout_;
};

/// The task took more memory than it was given, or than the machine has.
class MemoryLimitExceeded : public core::Error {
 public:
  /// Who noticed.
  enum class Seen : std::int32_t {
    kByAllocation,  ///< the system refused the task an allocation
    kByPolling,     ///< the program looked and found too much in use
    kByKernel       ///< the kernel killed the process, for the limit or because memory ran out
  };
  struct Details {
    std::string task;
    std::uint64_t limit_bytes = 0;  ///< 0: it had none; the machine or its control group ran out
    std::uint64_t used_bytes = 0;   ///< 0: not known
    Seen seen = Seen::kByPolling;
  };
  explicit MemoryLimitExceeded(Details details);
  const Details& details() const noexcept { return details_; }

 private:
  Details details_;
};

/// No worker could be started, so the task cannot run.
class WorkerInitFailed : public core::Error {
 public:
  explicit WorkerInitFailed(const std::string& message, std::string hint = {})
      : Error(core::ErrorCode::kWorkerInitFailed, message, std::move(hint)) {}
};

/// An argument or a result could not be encoded or decoded: its serializer threw. The cause is
/// nested.
class NotSerializable : public core::Error {
 public:
  explicit NotSerializable(const std::string& message, std::string hint = {})
      : Error(core::ErrorCode::kNotSerializable, message, std::move(hint)) {}
};

/// A task whose future was an argument failed, so this one cannot run. Its error is nested.
class DependencyFailed : public core::Error {
 public:
  explicit DependencyFailed(const std::string& message)
      : Error(core::ErrorCode::kDependencyFailed, message) {}
};

/// The task was cancelled before it ended.
class Cancelled : public core::Error {
 public:
  explicit Cancelled(const std::string& message) : Error(core::ErrorCode::kCancelled, message) {}
};

/// The executor was shut down and takes no more tasks.
class ExecutorClosed : public core::Error {
 public:
  explicit ExecutorClosed(const std::string& message)
      : Error(core::ErrorCode::kExecutorClosed, message) {}
};

}  // namespace mutirao::exec
