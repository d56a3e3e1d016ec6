#pragma once

// How a running task says how far it has come.
//
// Purpose: `this_task::report_progress({.done = 17, .total = 100})` inside a task;
// Future::progress() outside. Requires: nothing; outside a task a report goes nowhere. Guarantees:
// the last report stays readable after the task has ended. Cheap: a few stores to memory that both
// sides see, no system call. Thread safety: any thread of a task, also those that
// CoreBudget::for_each lends it. Ordering: none is promised between a report and other memory.

#include <cstdint>

namespace mutirao::exec {

struct Progress {
  std::uint64_t done = 0;   ///< units done
  std::uint64_t total = 0;  ///< units in all; 0: nothing was reported yet, or not known
  std::uint32_t stage = 0;  ///< the task's own numbering of its stages

  friend bool operator==(const Progress&, const Progress&) = default;
};

namespace this_task {

void report_progress(const Progress& progress) noexcept;

}  // namespace this_task
}  // namespace mutirao::exec
