#pragma once

#include "mutirao/exec/executor.hpp"

namespace mutirao::exec {

/// Runs each task in the thread that submits it, before submit returns. For debuggers, sanitizers
/// and as the reference that the other executors are compared with. The environment variable
/// MUTIRAO_EXECUTOR=inline puts it behind every executor.
/// Thread safety, ordering, failure: as Executor. Lifetime: nothing is ever queued.
class InlineExecutor final : public Executor {
 public:
  InlineExecutor();
  ~InlineExecutor() override;

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
