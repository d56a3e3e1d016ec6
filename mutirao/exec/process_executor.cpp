// The actors of a ProcessExecutor, and what runs between them:
//
//   program                                                          worker 0 (one thread)
//   +-----------------------------------------+   channel 0 (memfd)  +------------------+
//   | submit(): writes a ring, rings a bell   | -- request slots --> | decode, run,     |
//   | get(): the first to wait leads: it      | <-- reply slots ---- | encode           |
//   |   drains all rings, feeds all workers   |                      +------------------+
//   | server thread: the same, when work is   |   bell (memfd)            |  ^
//   |   queued and nobody waits               | <-- "look" -------- all   |  | socket: memory,
//   |                                         | <--------------------- result descriptors
//   | spawner thread (one per process):       | ------------------- argument descriptors
//   |   hears starts and deaths, reads stderr |
//   +-----------------------------------------+   channel 1          +------------------+
//           |  ^                            ^   ------------------>  | worker 1         |
//   "fork"  |  | "started", "ended"         |   <------------------  +------------------+
//           v  |  (socket)                  +-- stderr (pipes) ------------^  |
//   +-----------------------+                                                 |
//   | zygote (one thread)   | -- fork, reap, kill ----------------------------+
//   +-----------------------+
//
// Note [Why no lock is shared between processes]
// A process can die at any instruction. If it dies inside a lock that others use, they wait for
// ever; if it dies while it writes a queue that others read, they read rubbish. Pools that share
// one queue must therefore throw every worker away when one dies. Here each worker has a channel of
// its own, in which every word has one writer at a time (Note [The ring and its state words] in
// internal/channel.hpp), and the program alone decides who runs what. A death damages only that
// worker's channel, which is drained and thrown away. The one thing that workers share is the bell:
// two words that only say "look again". A worker that dies between disarming it and waking the
// sleeper loses a wake-up, but its death is itself news that wakes every sleeper.
//
// Note [Who looks]
// Rings are looked at by whoever has a reason: a thread in get() (one leads, the others sleep on
// their own task), else the server thread. Who is about to sleep says in each channel's notify_at
// from which count of finished tasks on it wants to be woken, arms the bell, and looks once more.
// A worker publishes, then reads notify_at: one of the two sees the other (all four accesses are
// sequentially consistent). So a burst costs one wake-up per half ring, and a single awaited task
// exactly one.

#include "mutirao/exec/process_executor.hpp"

#include <memory>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/memory_use.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/exec/internal/inline_backend.hpp"
#include "mutirao/exec/internal/pool.hpp"
#include "mutirao/exec/internal/spawner.hpp"

namespace mutirao::exec {
namespace {

constexpr std::size_t kMostWorkers = 1000;

std::shared_ptr<internal::Backend> make_backend(ProcessExecutorOptions options) {
  if (internal::inline_is_forced()) {
    if (options.initializer != nullptr) options.initializer();
    return internal::make_inline_backend();
  }
  internal::Spawner::current();
  const std::size_t workers =
      options.workers != 0 ? options.workers : CoreBudget::current().cores();
  if (workers > kMostWorkers) {
    throw core::InvalidArgument(
        fmt::format("an executor has at most {} workers, not {}", kMostWorkers, workers));
  }
  if (options.grace.count() < 0) {
    throw core::InvalidArgument(
        fmt::format("the grace of an executor is negative: {} ms", options.grace.count()));
  }
  return internal::Pool::start_workers(
      workers, {.grace = options.grace,
                .memory_group = !options.memory_group.empty() ? std::move(options.memory_group)
                                                              : core::delegated_memory_group(),
                .initializer = options.initializer,
                .initializer_timeout = options.initializer_timeout,
                .start_timeout = options.start_timeout,
                .max_tasks_per_worker = options.max_tasks_per_worker});
}

}  // namespace

ProcessExecutor::ProcessExecutor(ProcessExecutorOptions options)
    : Executor(make_backend(std::move(options))), owner_(::getpid()) {}

ProcessExecutor::~ProcessExecutor() {
  // In a process that the user forked, the workers and threads are not there: leave all as it is.
  if (::getpid() != owner_) {
    // NOLINTNEXTLINE(bugprone-unhandled-exception-at-new): nothing can go on without those bytes
    new std::shared_ptr<internal::Backend>(backend());
    return;
  }
  backend()->shut_down(Shutdown::kCancel);
}

}  // namespace mutirao::exec
