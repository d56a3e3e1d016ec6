#pragma once

// What a task may be given besides its function and arguments.
//
// Purpose: the first argument of Executor::submit. Requires: see each field; submit throws
// core::InvalidArgument for a value that cannot be. Guarantees: every attempt has its own deadline.
// Thread safety: values. Failure: TaskTimeout, MemoryLimitExceeded and TaskCrashed of
// exec/error.hpp, once no attempt is left.
//
//   pool.submit({.name = "fold 3", .timeout = 10min, .retry = {.attempts = 2},
//                .resources = {.memory_bytes = 2ULL << 30}}, fit, table);

#include <chrono>
#include <cstddef>
#include <string>

namespace mutirao::exec {

/// Kinds of failure; combine them with |.
enum class RetryOn : unsigned {
  kCrash = 1,      ///< TaskCrashed
  kTimeout = 2,    ///< TaskTimeout
  kMemory = 4,     ///< MemoryLimitExceeded
  kException = 8,  ///< whatever the task threw
  kAny = 15
};
constexpr RetryOn operator|(RetryOn a, RetryOn b) noexcept {
  return static_cast<RetryOn>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool includes(RetryOn set, RetryOn kind) noexcept {
  return (static_cast<unsigned>(set) & static_cast<unsigned>(kind)) != 0;
}

struct Retry {
  unsigned attempts = 1;  ///< in all, at least 1
  /// On threads and in line only what a task threw can be tried again: the rest of it never ended.
  RetryOn on = RetryOn::kCrash | RetryOn::kTimeout | RetryOn::kMemory;
  /// Before the second attempt; twice as long before each further one.
  std::chrono::milliseconds backoff{0};
};

/// A thread cannot be limited: ThreadExecutor::submit throws core::Unsupported for any but the
/// defaults. In line they mean nothing: one task runs at a time, in the caller.
struct Resources {
  /// How many cores of the CoreBudget the task holds from start to end; at most the budget's. It
  /// begins when so many are free, and those submitted after it wait behind it.
  std::size_t cores = 1;
  /// How much memory the task may take: private pages of its process and of those below it, plus
  /// SharedArrays that it made. 0: no limit. An allocation far beyond throws std::bad_alloc inside
  /// the task; one that creeps beyond is seen within about 10 ms, or at once by the kernel where
  /// the executor has a control group. Either way the future fails with MemoryLimitExceeded.
  std::size_t memory_bytes = 0;
};

struct TaskOptions {
  std::string name;  ///< shown in errors
  /// Counts from the moment the task begins, and not while the program is stopped; 0: none. At the
  /// deadline the future fails with TaskTimeout. Its process gets SIGTERM and, after the executor's
  /// grace, SIGKILL; a thread is asked to stop (stop_token()) and occupied until it does.
  std::chrono::nanoseconds timeout{0};
  Retry retry;
  int priority = 0;  ///< higher ones begin first; equal ones in the order of submission
  Resources resources;
};

}  // namespace mutirao::exec
