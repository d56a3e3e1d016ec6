#pragma once

// Runs tasks in worker processes: a task that crashes costs only itself.
//
// Purpose: isolation, and all cores for code that is not thread-safe. Requires: a Runtime on the
// first line of main. Guarantees: a worker's death (signal, exit() in mid task) fails the one task
// that it ran; tasks waiting behind it run elsewhere and a new worker takes the place. A task past
// its time or its memory is killed, as is one that was cancelled and goes on. Shared arrays are
// passed, not copied, both ways. Each running task holds one core of the program's CoreBudget, or
// as many as it asked for. What tasks write on stderr appears on this program's; the last of it is
// in TaskCrashed. Thread safety: any thread. Ordering: tasks begin in the order in which they were
// submitted. Failure: the constructor throws core::Unsupported without a Runtime and core::IoError
// when the system refuses memory or descriptors; a pool whose workers cannot be started fails its
// tasks with WorkerInitFailed. Lifetime: the destructor cancels what is queued, waits for what
// runs, and ends the workers.
//
//   ProcessExecutor pool({.workers = 2});
//   Future<Model> model = pool.submit(train, table);
//   try { use(model.get()); } catch (const TaskCrashed& crash) { report(crash); }

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "mutirao/exec/executor.hpp"

namespace mutirao::exec {

struct ProcessExecutorOptions {
  std::size_t workers = 0;  ///< 0: as many as there are cores for this program
  /// How long a task that was asked to end may go on before its process is killed.
  std::chrono::milliseconds grace{100};
  /// The folder of a control group, version 1 or 2, that this program may make groups in: with it
  /// the kernel keeps memory limits. Empty: this process's own group if it was delegated to this
  /// (ordinary) user; else memory is looked at every 10 ms.
  std::string memory_group;
  /// Called once in every worker before its first task; a lambda without captures will do. When it
  /// throws, crashes or takes too long in three workers in a row, tasks fail with WorkerInitFailed.
  void (*initializer)() = nullptr;
  std::chrono::nanoseconds initializer_timeout = std::chrono::minutes(1);  ///< 0: none
  /// How long a worker that is executed (runtime.hpp) may need to reach the Runtime; 0: any time.
  std::chrono::nanoseconds start_timeout = std::chrono::minutes(1);
  /// After so many tasks a worker is replaced by a fresh one; 0: never.
  std::uint64_t max_tasks_per_worker = 0;
};

class ProcessExecutor final : public Executor {
 public:
  explicit ProcessExecutor(ProcessExecutorOptions options = {});
  ~ProcessExecutor() override;

 private:
  const pid_t owner_;  // the process that made this object
};

}  // namespace mutirao::exec
