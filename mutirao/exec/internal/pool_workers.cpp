// How workers of a pool come and go.

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/exec/error.hpp"
#include "mutirao/exec/internal/call.hpp"
#include "mutirao/exec/internal/pool.hpp"
#include "mutirao/exec/internal/symbols.hpp"
#include "mutirao/exec/internal/trace_log.hpp"

namespace mutirao::exec::internal {
namespace {

// A worker that dies before it did anything is replaced this often in a row.
constexpr int kMostDeathsWithoutWork = 3;
// Blocks that were not used between two such moments are let go of.
constexpr auto kBlocksAge = std::chrono::seconds(1);

/// An attempt that did not come to its own end.
void trace_lost(const Task& task, std::string_view outcome) noexcept {
  if (!tracing()) return;
  trace_attempt(task, static_cast<const RemoteTask&>(task).began, TimePoint::clock::now(),
                task.known_worker_pid(), outcome);
}

}  // namespace

std::vector<std::unique_ptr<WorkerProcess>>::iterator Pool::find(std::uint64_t token) noexcept {
  return std::find_if(workers_.begin(), workers_.end(),
                      [&](const auto& each) { return each && each->token() == token; });
}

WorkerProcess* Pool::worker_of(const RemoteTask& task) noexcept {
  return task.worker == RemoteTask::kNowhere ? nullptr : workers_[task.worker].get();
}

bool Pool::anybody_works() const noexcept {
  return std::any_of(workers_.begin(), workers_.end(),
                     [](const auto& worker) { return worker != nullptr; });
}

void Pool::hire(std::uint32_t index) {
  Spawner& spawner = Spawner::current();
  const auto participant = core_words().join();
  if (!participant) {
    throw core::IoError("cannot start a worker: the program has too many", EAGAIN,
                        "give the executors fewer workers");
  }
  try {
    auto worker = std::make_unique<WorkerProcess>(index, spawner.new_token(), *participant);
    if (!options_.memory_group.empty()) {
      worker->set_memory_group(std::make_unique<core::MemoryGroup>(
          options_.memory_group, fmt::format("mutirao-{}-{}", owner_, worker->token())));
    }
    spawner.spawn(worker->token(),
                  {.channel = worker->channel()->descriptor(),
                   .bell = bell_file_.get(),
                   .socket = worker->worker_socket().get()},
                  *participant, options_.start_timeout, weak_from_this());
    worker->worker_socket().close();
    worker->set_most_tasks(options_.max_tasks_per_worker);
    if (options_.initializer != nullptr) initialize(*worker);
    workers_[index] = std::move(worker);
    ++counted_.workers_started;
  } catch (...) {
    core_words().sweep(*participant);
    throw;
  }
}

void Pool::initialize(WorkerProcess& worker) {
  const auto call = [](std::uint64_t module, std::uint64_t offset) {
    reinterpret_cast<void (*)()>(resolve({module, offset}))();
  };
  const FunctionId function = identify(options_.initializer);
  TaskRef task(
      new RemoteTask(shared_from_this(),
                     checked({.name = "initializer", .timeout = options_.initializer_timeout})));
  encode_call<decltype(call), std::uint64_t, std::uint64_t>(static_cast<RemoteTask&>(*task), call,
                                                            function.module, function.offset);
  worker.set_initializer(task);
  worker.place(task);
  if (options_.initializer_timeout.count() != 0)
    wake_at(later(TimePoint::clock::now(), options_.initializer_timeout));
}

void Pool::on_started(std::uint64_t token, pid_t process, core::UniqueFd pidfd) {
  const std::lock_guard lock(mutex_);
  const auto place = find(token);
  if (place == workers_.end()) return;
  (*place)->set_pidfd(process, std::move(pidfd));
  feed(static_cast<std::uint32_t>(place - workers_.begin()));
}

void Pool::on_failed(std::uint64_t token, int error) {
  const std::lock_guard lock(mutex_);
  const auto place = find(token);
  if (place == workers_.end()) return;
  const std::unique_ptr<WorkerProcess> absent = std::move(*place);
  core_words().sweep(absent->participant());
  std::vector<TaskRef> not_started = absent->settle().not_started;
  std::erase_if(not_started,
                [&](const TaskRef& each) { return each.get() == absent->initializer().get(); });
  requeue(std::move(not_started));
  if (error == ELOOP) {
    fail_all("cannot start a worker: executors are nested too deeply",
             "use at most 4 levels of executors inside tasks");
  } else if (error == ENOEXEC) {
    fail_all("cannot start a worker: a file of the program has changed since it started",
             "start the program again");
  } else if (error == ETIMEDOUT) {
    fail_all("cannot start a worker: it does not reach the Runtime in time",
             "make the Runtime the first line of main, or raise start_timeout");
  } else if (!anybody_works()) {
    fail_all("cannot start a worker: " + std::generic_category().message(error),
             "allow more processes (ulimit -u) or more memory");
  }
  quieter_.notify_all();
  bell_.wake_everybody();
}

void Pool::on_ended(std::uint64_t token, const WorkerEnd& end) {
  const std::lock_guard lock(mutex_);
  const auto place = find(token);
  if (place == workers_.end()) return;
  const std::unique_ptr<WorkerProcess> dead = std::move(*place);
  core_words().sweep(dead->participant());
  const std::size_t under_way = dead->in_flight();
  WorkerProcess::Estate estate = dead->settle();
  const bool crashed = static_cast<bool>(estate.crashed);
  if (crashed) ++counted_.workers_lost;
  for (const WorkerProcess::Failed& each : estate.failed)
    attempt_failed(each.task, RetryOn::kException, each.error);
  if (estate.crashed) {
    trace_lost(*estate.crashed, "crashed");
    RetryOn kind = RetryOn::kCrash;
    const std::exception_ptr error = why_it_ended(*dead, estate, end, kind);
    attempt_failed(estate.crashed, kind, error);
  }
  counted_.done += dead->outcomes().done;
  counted_.failed += dead->outcomes().failed;
  const TaskRef& initializer = dead->initializer();
  std::erase_if(estate.not_started,
                [&](const TaskRef& each) { return each.get() == initializer.get(); });
  initializer_error_ = initializer && initializer->done() ? initializer->error() : nullptr;
  const bool worked = !initializer_error_ &&
                      (dead->condemned() || crashed || estate.not_started.size() < under_way);
  deaths_without_work_ = worked ? 0 : deaths_without_work_ + 1;
  requeue(std::move(estate.not_started));
  std::string why = initializer_error_
                        ? "the initializer of the workers fails"
                        : fmt::format("workers end before they can run a task ({})",
                                      end.signal != 0 ? fmt::format("signal {}", end.signal)
                                                      : fmt::format("exit code {}", end.exit_code));
  if ((!closed_ || !pending_.empty() || !delayed_.empty()) &&
      deaths_without_work_ < kMostDeathsWithoutWork) {
    try {
      hire(static_cast<std::uint32_t>(place - workers_.begin()));
    } catch (const core::Error& error) {
      why = error.what();
    }
  }
  if (!anybody_works()) fail_all(why, {});
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    if (workers_[i]) feed(i);
  }
  quieter_.notify_all();
  bell_.wake_everybody();
}

std::exception_ptr Pool::why_it_ended(const WorkerProcess& dead,
                                      const WorkerProcess::Estate& estate, const WorkerEnd& end,
                                      RetryOn& kind) {
  const TaskOptions& options = estate.crashed->options();
  if (end.signal == SIGKILL) {
    // Nobody here killed it: perhaps the kernel, which keeps count of what it kills for memory.
    const std::uint64_t kills = core::kernel_memory_kills();
    const bool limited = dead.killed_for_memory();
    const bool memory_ran_out = std::exchange(memory_kills_, kills) < kills;
    if (limited || memory_ran_out) {
      kind = RetryOn::kMemory;
      return std::make_exception_ptr(
          MemoryLimitExceeded({.task = options.name,
                               .limit_bytes = limited ? options.resources.memory_bytes : 0,
                               .seen = MemoryLimitExceeded::Seen::kByKernel}));
    }
  }
  TaskCrashed::Details details{.task = options.name,
                               .signal = end.signal,
                               .exit_code = end.exit_code,
                               .phase = estate.phase,
                               .worker = dead.process(),
                               .stderr_tail = end.stderr_tail};
  const CrashReport& report = dead.crash();
  if (end.signal != 0 &&
      report.signal.load(std::memory_order_acquire) == static_cast<std::uint32_t>(end.signal)) {
    details.stack_overflow = report.stack_overflow != 0;
    const std::size_t frames = std::min<std::size_t>(report.frame_count, CrashReport::kMostFrames);
    details.backtrace = symbolize({report.frames, frames});
  }
  return std::make_exception_ptr(TaskCrashed(std::move(details)));
}

void Pool::fail_all(const std::string& why, const std::string& hint) {
  std::exception_ptr error;
  try {
    try {
      if (initializer_error_) std::rethrow_exception(initializer_error_);
      throw WorkerInitFailed(why, hint);
    } catch (const WorkerInitFailed&) {
      throw;
    } catch (...) {
      std::throw_with_nested(WorkerInitFailed(why, hint));
    }
  } catch (...) {
    error = std::current_exception();
  }
  std::vector<TaskRef> lost = pending_.take_all();
  for (auto& each : std::exchange(delayed_, {})) lost.push_back(std::move(each.second));
  for (const TaskRef& task : lost) {
    ++counted_.done;
    ++counted_.failed;
    task->fail(error);
  }
}

// ---- Time and ends.

void Pool::wake_at(TimePoint time) {
  if (time >= wake_at_) return;
  wake_at_ = time;
  if (!ensure_server()) bell_.wake_server();
}

void Pool::keep_blocks_for_a_while() {
  if (age_blocks_at_ != TimePoint::max()) return;
  age_blocks_at_ = TimePoint::clock::now() + kBlocksAge;
  wake_at(age_blocks_at_);
}

void Pool::age_blocks(TimePoint now) {
  if (now < age_blocks_at_) return;
  bool left = blocks_.age();
  for (const auto& worker : workers_) left |= worker && worker->age_blocks();
  age_blocks_at_ = left ? now + kBlocksAge : TimePoint::max();
}

void Pool::keep_time() {
  const TimePoint now = TimePoint::clock::now();
  if (wake_at_ > now) return;
  drain_and_feed();
  for (const auto& worker : workers_) {
    if (worker) worker->begin_time_again(now, now - wake_at_);
  }
  wake_at_ = TimePoint::max();
  age_blocks(now);
  TimePoint next = age_blocks_at_;
  for (auto each = delayed_.begin(); each != delayed_.end();) {
    if (each->first <= now) {
      pending_.push_back(std::move(each->second));
      each = delayed_.erase(each);
    } else {
      next = std::min(next, (each++)->first);
    }
  }
  for (const auto& worker : workers_) {
    if (!worker) continue;
    worker->kill_if_due(now);
    if (worker->has_overdue(now)) {
      // First what waits behind it is taken away: if the task ends in this moment, its worker must
      // not begin another only to be killed with it.
      std::vector<TaskRef> behind;
      while (TaskRef task = worker->recall_last()) behind.push_back(std::move(task));
      requeue({behind.rbegin(), behind.rend()});
      worker->drain(failed_);
      const WorkerProcess::Overdue late = worker->take_overdue(now);
      if (late.task) give_up_on(*worker, late);
      // Who waits for it may sleep until the worker rings, which it may never do.
      if (led_) bell_.wake_everybody();
    }
    next = std::min(next, worker->next_deadline(now));
  }
  wake_at_ = std::min(wake_at_, next);
  drain_and_feed();
}

void Pool::give_up_on(WorkerProcess& worker, const WorkerProcess::Overdue& late) {
  trace_lost(*late.task, late.why == WorkerProcess::Overdue::kTimeout  ? "timeout"
                         : late.why == WorkerProcess::Overdue::kMemory ? "memory limit"
                                                                       : "killed");
  const TaskOptions& options = late.task->options();
  switch (late.why) {
    case WorkerProcess::Overdue::kCancelled:
      worker.kill();
      finish_cancelled(late.task, "the task was cancelled and its process killed");
      break;
    case WorkerProcess::Overdue::kTimeout:
      worker.terminate(TimePoint::clock::now() + options_.grace);
      attempt_failed(late.task, RetryOn::kTimeout,
                     std::make_exception_ptr(TaskTimeout(options.name, options.timeout)));
      break;
    case WorkerProcess::Overdue::kMemory:
      worker.kill();
      attempt_failed(late.task, RetryOn::kMemory,
                     std::make_exception_ptr(
                         MemoryLimitExceeded({.task = options.name,
                                              .limit_bytes = options.resources.memory_bytes,
                                              .used_bytes = late.used_bytes,
                                              .seen = MemoryLimitExceeded::Seen::kByPolling})));
      break;
  }
}

bool Pool::idle() const noexcept {
  return pending_.empty() && delayed_.empty() &&
         std::none_of(workers_.begin(), workers_.end(),
                      [](const auto& worker) { return worker && worker->in_flight() != 0; });
}

void Pool::cancel_all_queued() {
  takes_no_retries_ = true;
  std::vector<TaskRef> cancelled = pending_.take_all();
  for (auto& each : std::exchange(delayed_, {})) cancelled.push_back(std::move(each.second));
  for (const auto& worker : workers_) {
    if (!worker) continue;
    while (TaskRef task = worker->recall_last()) cancelled.push_back(std::move(task));
  }
  for (const TaskRef& task : cancelled)
    finish_cancelled(task, "the task was cancelled: its executor was shut down before it began");
}

void Pool::kill_running() {
  drain_and_feed();
  for (const auto& worker : workers_) {
    if (!worker) continue;
    worker->kill();
    while (const TaskRef task = worker->take_running()) {
      finish_cancelled(task,
                       "the task was cancelled: its executor was shut down and its process killed");
    }
  }
}

void Pool::close_locked(Shutdown how) {
  closed_ = true;
  if (how != Shutdown::kWait) cancel_all_queued();
  if (how == Shutdown::kKill) kill_running();
  // Whoever waits for one of these tasks must look.
  if (led_) bell_.wake_everybody();
  // Results may have to be looked at before a worker can go on or end.
  leave_to_server();
}

void Pool::close(Shutdown how) {
  if (::getpid() != owner_) return;
  const std::lock_guard lock(mutex_);
  close_locked(how);
}

void Pool::ask_running_to_stop() {
  if (left_behind()) return;
  const std::lock_guard lock(mutex_);
  for (const auto& worker : workers_) {
    if (worker) worker->ask_running_to_end();
  }
}

ExecutorStats Pool::stats() const {
  if (left_behind()) return {};
  const std::lock_guard lock(mutex_);
  ExecutorStats stats = counted_;
  stats.queued = pending_.size() + delayed_.size();
  for (const auto& worker : workers_) {
    if (!worker) continue;
    ++stats.workers;
    const std::size_t running = worker->running();
    stats.running += running;
    stats.queued += worker->held() - std::min(running, worker->held());
    stats.done += worker->outcomes().done;
    stats.failed += worker->outcomes().failed;
  }
  return stats;
}

void Pool::shut_down(Shutdown how) {
  // In a process that the user forked, the workers and threads are not there: leave all as it is.
  if (::getpid() != owner_) return;
  Lock lock(mutex_);
  close_locked(how);
  quieter_.wait(lock, [this] { return idle() || !anybody_works(); });
  for (const auto& worker : workers_) {
    if (worker) worker->ask_to_stop();
  }
  quieter_.wait(lock, [this] { return !anybody_works(); });
  server_stops_ = true;
  bell_.wake_everybody();
  if (server_.joinable() && !std::exchange(server_joined_, true)) {
    lock.unlock();
    server_.join();
    lock.lock();
  }
  lock.unlock();
  // Nothing of the pool is left when its executor is gone, though a future may refer to it.
  blocks_.clear();
  if (Spawner::exists()) Spawner::current().finish_telling();
  leave_list();
}

}  // namespace mutirao::exec::internal
