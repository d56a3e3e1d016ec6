#pragma once

// What Ctrl-C does to an executor.
//
// Purpose: while a CancelOnInterrupt lives, the first SIGINT or SIGTERM that this program gets
// cancels what its executor has queued, asks what runs to stop (this_task::stop_token()) and lets
// no more in; the second kills what runs. The program goes on and decides what to do: its futures
// fail with Cancelled. Requires: one at a time; no other use of these two signals meanwhile.
// Guarantees: workers themselves never see Ctrl-C. Thread safety: interrupted() from any thread.
// Failure: core::InvalidArgument for a second one; core::IoError when the system gives no
// descriptor. Lifetime: it ends before its executor; the former handlers then come back.
//
//   ProcessExecutor pool;
//   const CancelOnInterrupt interrupt(pool);
//   try { results = pool.map(fit, candidates); } catch (const Cancelled&) { return 130; }

#include <memory>

#include "mutirao/exec/executor.hpp"

namespace mutirao::exec {

class CancelOnInterrupt {
 public:
  explicit CancelOnInterrupt(Executor& executor);
  ~CancelOnInterrupt();
  CancelOnInterrupt(const CancelOnInterrupt&) = delete;
  CancelOnInterrupt& operator=(const CancelOnInterrupt&) = delete;

  /// How many signals have come.
  int count() const noexcept;
  bool interrupted() const noexcept { return count() != 0; }

 private:
  class Listener;
  std::unique_ptr<Listener> listener_;
};

}  // namespace mutirao::exec
