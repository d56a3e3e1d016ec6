// How tasks reach workers and results come back. The picture is in process_executor.cpp.

#include "mutirao/exec/internal/pool.hpp"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/futex.hpp"
#include "mutirao/core/memory_use.hpp"
#include "mutirao/core/shared_memory.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/exec/error.hpp"
#include "mutirao/exec/internal/trace_log.hpp"

namespace mutirao::exec::internal {
namespace {

// How long a waiting thread looks before it sleeps: about as long as being woken costs.
constexpr auto kLookFor = std::chrono::microseconds(50);

/// The pools of this process, to be told when memory was let go of.
struct Pools {
  const std::uint32_t forks = core::fork_count();
  std::mutex mutex;
  std::vector<Pool*> all;
};

Pools& pools() {
  static Pools& list = *new Pools;
  return list;
}

/// As what a task's own exception counts.
RetryOn kind_of(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const MemoryLimitExceeded&) {
    return RetryOn::kMemory;
  } catch (...) {
    return RetryOn::kException;
  }
}

void tell_pools_of_release() noexcept {
  Pools& list = pools();
  // In a process that the user forked: not its pools.
  if (list.forks != core::fork_count()) return;
  const std::lock_guard lock(list.mutex);
  for (Pool* pool : list.all) pool->memory_released();
}

}  // namespace

void Pool::enlist() {
  core::SharedMemory::set_release_listener(&tell_pools_of_release);
  const std::lock_guard lock(pools().mutex);
  pools().all.push_back(this);
}

void Pool::leave_list() {
  const std::lock_guard lock(pools().mutex);
  std::erase(pools().all, this);
}

std::shared_ptr<Pool> Pool::start_workers(std::size_t workers, const Options& options) {
  auto pool = std::make_shared<Pool>(workers, options);
  pool->enlist();
  try {
    const std::lock_guard lock(pool->mutex_);
    for (std::uint32_t i = 0; i < workers; ++i) pool->hire(i);
  } catch (...) {
    pool->shut_down(Shutdown::kCancel);
    throw;
  }
  return pool;
}

Pool::Pool(std::size_t workers, const Options& options)
    : Backend(true),
      worker_count_(workers),
      options_(options),
      owner_(::getpid()),
      bell_file_(core::create_memory_file(sizeof(Bell))),
      bell_mapping_(bell_file_.get(), sizeof(Bell), core::Mapping::Access::kReadWrite),
      bell_(*static_cast<Bell*>(bell_mapping_.data())),
      workers_(workers),
      last_active_(workers),
      memory_kills_(core::kernel_memory_kills()) {}

// ---- Tasks come in.

void Pool::start(const TaskRef& task) { start_all(std::span(&task, 1)); }

void Pool::start_all(std::span<const TaskRef> tasks) {
  require_own_process();
  const std::lock_guard lock(mutex_);
  if (closed_) throw ExecutorClosed("this executor was shut down and takes no more tasks");
  for (const TaskRef& task : tasks) check(*task);
  for (const TaskRef& task : tasks) {
    if (tracing()) task->note_queued();
    accept(task);
  }
  if (!pending_.empty() && !led_) leave_to_server();
}

void Pool::accept(const TaskRef& task) {
  if (!anybody_works()) {
    // Whatever kept workers from starting may be over.
    deaths_without_work_ = 0;
    try {
      for (std::uint32_t i = 0; i < worker_count_; ++i) hire(i);
    } catch (const core::Error& error) {
      if (!anybody_works()) {
        task->fail(std::make_exception_ptr(WorkerInitFailed(error.what(), error.hint())));
        if (led_) bell_.wake_everybody();
        return;
      }
    }
  }
  // Memory that is let go of while nobody waits is the server's affair.
  if (!static_cast<RemoteTask&>(*task).request.attachments.empty()) {
    ensure_server();
    keep_blocks_for_a_while();
  }
  if (task->options().priority != 0) priorities_differ_ = true;
  if (pending_.empty() && !priorities_differ_) {
    if (!place_somewhere(task)) pending_.push_back(task);
    return;
  }
  pending_.push_back(task);
  if (!priorities_differ_) return;
  recall_below(task->options().priority);
  place_pending();
}

void Pool::check(const Task& task) const {
  if (!task.has_options()) return;
  const std::size_t cores = task.options().resources.cores;
  const std::size_t most = CoreBudget::current().cores();
  if (cores > most) {
    throw core::InvalidArgument(
        fmt::format("task '{}' asks for {} cores, and the program may use {}", task.name(), cores,
                    most),
        "ask for fewer, or raise CoreBudget::limit");
  }
}

/// Tasks with resources of their own are alone in their worker, and those that want several cores
/// begin when the tasks under way leave them so many. All others only need a hungry worker.
bool Pool::fits(const WorkerProcess& worker, const Task& task) const noexcept {
  const Resources& resources = task.options().resources;
  if (resources.cores == 1 && resources.memory_bytes == 0) return worker.hungry();
  if (!worker.takes_exclusive()) return false;
  if (resources.cores == 1) return true;
  std::size_t booked = resources.cores;
  for (const auto& each : workers_) {
    if (each) booked += each->booked_cores();
  }
  return booked <= CoreBudget::current().cores();
}

void Pool::place_pending() {
  while (!pending_.empty() && place_somewhere(pending_.front())) pending_.pop_front();
}

void Pool::recall_below(int priority) {
  for (const auto& worker : workers_) {
    std::vector<TaskRef> recalled;
    while (worker && worker->last_priority() < priority) {
      TaskRef task = worker->recall_last();
      if (!task) break;
      recalled.push_back(std::move(task));
    }
    requeue({recalled.rbegin(), recalled.rend()});
  }
}

void Pool::attempt_failed(const TaskRef& task, RetryOn kind, const std::exception_ptr& error) {
  auto& remote = static_cast<RemoteTask&>(*task);
  const Retry& retry = task->options().retry;
  if (!remote.may_be_tried_again() || !includes(retry.on, kind) || takes_no_retries_ ||
      (task->status() & Task::kStopRequested) != 0) {
    remote.request = {};
    ++counted_.done;
    ++counted_.failed;
    task->fail(error);
    return;
  }
  ++remote.attempts;
  ++counted_.retried;
  const std::chrono::nanoseconds backoff = backoff_before(retry, remote.attempts);
  if (backoff.count() == 0) {
    pending_.push_back(task);
    return;
  }
  const TimePoint time = TimePoint::clock::now() + backoff;
  delayed_.emplace_back(time, task);
  wake_at(time);
}

bool Pool::place_somewhere(const TaskRef& task) {
  // An idle worker first, of those the one that worked last: its caches are warm. Then whoever has
  // least to do and may have more.
  std::uint32_t best = RemoteTask::kNowhere;
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    if (!workers_[i] || !fits(*workers_[i], *task)) continue;
    if (best == RemoteTask::kNowhere || workers_[i]->in_flight() < workers_[best]->in_flight() ||
        (workers_[i]->in_flight() == workers_[best]->in_flight() &&
         last_active_[i] > last_active_[best]))
      best = i;
  }
  if (best == RemoteTask::kNowhere) return false;
  last_active_[best] = ++activity_;
  return try_place(*workers_[best], task);
}

bool Pool::try_place(WorkerProcess& worker, const TaskRef& task) {
  try {
    if (!worker.place(task)) return false;
    if (task->has_options()) wake_at(worker.next_deadline(TimePoint::clock::now()));
    return true;
  } catch (...) {
    task->fail(std::current_exception());
    return true;
  }
}

TaskRef Pool::take_back(Task& task) {
  if (task.done()) return {};
  auto& remote = static_cast<RemoteTask&>(task);
  if (WorkerProcess* worker = worker_of(remote)) {
    task.retain();
    TaskRef kept(&task);
    return worker->recall(remote) ? kept : TaskRef();
  }
  const auto delayed = std::find_if(delayed_.begin(), delayed_.end(),
                                    [&](const auto& each) { return each.second.get() == &task; });
  if (delayed == delayed_.end()) return pending_.take(task);
  TaskRef kept = std::move(delayed->second);
  delayed_.erase(delayed);
  return kept;
}

void Pool::finish_cancelled(const TaskRef& task, const char* message) {
  ++counted_.done;
  task->fail(std::make_exception_ptr(Cancelled(message)));
}

bool Pool::cancel_queued(Task& task) {
  const std::lock_guard lock(mutex_);
  const TaskRef taken = take_back(task);
  if (!taken) return false;
  finish_cancelled(taken, "the task was cancelled before it began");
  if (led_) bell_.wake_everybody();
  return true;
}

bool Pool::cancel(Task& task) {
  if (cancel_queued(task)) return true;
  const std::lock_guard lock(mutex_);
  auto& remote = static_cast<RemoteTask&>(task);
  // The caller holds a reference, which the analyzer loses count of.
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDelete)
  if (WorkerProcess* worker = worker_of(remote); worker && !task.done()) {
    const TimePoint deadline = TimePoint::clock::now() + options_.grace;
    task.add(Task::kStopRequested);
    worker->ask_to_end(remote, deadline);
    wake_at(deadline);
  }
  return false;
}

// ---- Results come out.

bool Pool::wait(Task& base, std::optional<TimePoint> deadline) {
  auto& task = static_cast<RemoteTask&>(base);
  // A task that waits for another lends its core meanwhile. Taking it back may mean waiting for
  // one, so that comes last, when others no longer depend on this thread.
  std::optional<CoreLoan> loan;
  Lock lock(mutex_);
  waiting_.push_back(&task);
  while (!task.done() && (!deadline || TimePoint::clock::now() < *deadline)) {
    if (led_) {
      follow(lock, task, deadline, loan);
    } else {
      led_ = true;
      lead(lock, task, deadline, loan);
      led_ = false;
    }
  }
  waiting_.erase(std::find(waiting_.begin(), waiting_.end(), &task));
  if (!led_) {
    if (!followers_.empty()) {
      followers_.front()->nudge();
    } else {
      leave_to_server();
    }
  }
  return task.done();
}

void Pool::lead(Lock& lock, RemoteTask& task, std::optional<TimePoint> deadline,
                std::optional<CoreLoan>& loan) {
  while (drain_and_feed(), !task.done()) {
    look_for_a_while(lock, task);
    if (something_done()) continue;
    if (deadline && TimePoint::clock::now() >= *deadline) return;
    const std::uint32_t epoch = bell_.epoch.load(std::memory_order_seq_cst);
    arm(Bell::kLeader);
    if (something_done() || task.done()) continue;
    lock.unlock();
    if (!loan) loan.emplace();
    core::futex_wait(bell_.epoch, epoch, core::FutexScope::kShared, deadline, Bell::kLeader);
    lock.lock();
    bell_.armed.store(Bell::kNobody, std::memory_order_seq_cst);
  }
}

void Pool::follow(Lock& lock, RemoteTask& task, std::optional<TimePoint> deadline,
                  std::optional<CoreLoan>& loan) {
  const std::uint32_t status = task.status();
  // The leader may sleep with a later count in mind.
  if (WorkerProcess* worker = worker_of(task)) {
    worker->notify_at(0);
    if (worker->something_done()) {
      drain_and_feed();
      return;
    }
  }
  followers_.push_back(&task);
  lock.unlock();
  if (!loan) loan.emplace();
  task.sleep_once(status, deadline);
  lock.lock();
  followers_.erase(std::find(followers_.begin(), followers_.end(), &task));
}

void Pool::look_for_a_while(Lock& lock, const RemoteTask& task) {
  WorkerProcess* worker = worker_of(const_cast<RemoteTask&>(task));
  if (worker == nullptr || !worker->quick() || !patience_.worth_a_look()) return;
  // The channel stays mapped, whatever becomes of the worker meanwhile.
  const std::shared_ptr<Channel> channel = worker->channel();
  const std::atomic<std::uint64_t>& state = channel->slot(task.sequence).state;
  const std::uint64_t done = state_word(task.sequence, SlotState::kDone);
  lock.unlock();
  const auto until = std::chrono::steady_clock::now() + kLookFor;
  bool found = false;
  for (;;) {
    for (int i = 0; i < 32 && !found; ++i) {
      core::spin_pause();
      found = state.load(std::memory_order_acquire) == done;
    }
    if (found || std::chrono::steady_clock::now() >= until) break;
    // The worker may be waiting for this very core.
    std::this_thread::yield();
  }
  lock.lock();
  found ? patience_.hit() : patience_.miss();
}

void Pool::poll() {
  const std::lock_guard lock(mutex_);
  drain_and_feed();
}

void Pool::detach() {
  const std::lock_guard lock(mutex_);
  if (!led_) leave_to_server();
}

void Pool::watch(Task& task) {
  const std::lock_guard lock(mutex_);
  some_are_watched_ = true;
  // Who sleeps may have a later count in mind.
  auto& remote = static_cast<RemoteTask&>(task);
  if (WorkerProcess* worker = worker_of(remote)) {
    worker->notify_at(0);
    if (worker->something_done()) drain_and_feed();
  }
  if (!led_) leave_to_server();
}

bool Pool::something_done() const noexcept {
  return std::any_of(workers_.begin(), workers_.end(),
                     [](const auto& worker) { return worker && worker->something_done(); });
}

void Pool::drain_and_feed() {
  if (memory_released_.exchange(false, std::memory_order_acq_rel)) {
    for (const auto& worker : workers_) {
      if (worker) worker->drop_released_memory();
    }
  }
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    if (!workers_[i]) continue;
    if (workers_[i]->drain(failed_) != 0) {
      last_active_[i] = ++activity_;
      if (workers_[i]->received_blocks()) keep_blocks_for_a_while();
      const TaskRef& initializer = workers_[i]->initializer();
      if (initializer && initializer->done() && initializer->error()) {
        workers_[i]->kill();
      } else {
        deaths_without_work_ = 0;
      }
    }
    // Closed, it is only replaced while there is something left to run.
    if (workers_[i]->used_up() && (!closed_ || !pending_.empty() || !delayed_.empty()))
      workers_[i]->retire();
    feed(i);
  }
  if (!failed_.empty()) {
    for (const WorkerProcess::Failed& each : std::exchange(failed_, {}))
      attempt_failed(each.task, kind_of(each.error), each.error);
    place_pending();
  }
  if (closed_ && idle()) quieter_.notify_all();
}

void Pool::feed(std::uint32_t index) {
  WorkerProcess& worker = *workers_[index];
  if (worker.condemned()) return;
  while (!pending_.empty() && fits(worker, *pending_.front())) {
    if (!try_place(worker, pending_.front())) return;
    pending_.pop_front();
  }
  if (pending_.empty() && worker.in_flight() == 0 && !closed_) steal_for(index);
}

/// Half of what waits behind the task of the busiest worker goes to one that has nothing to do.
bool Pool::steal_for(std::uint32_t index) {
  WorkerProcess* busiest = nullptr;
  for (const auto& worker : workers_) {
    if (worker && worker->in_flight() > 1 &&
        (busiest == nullptr || worker->in_flight() > busiest->in_flight()))
      busiest = worker.get();
  }
  if (busiest == nullptr) return false;
  std::vector<TaskRef> stolen;
  for (std::size_t i = busiest->in_flight() / 2; i > 0; --i) {
    TaskRef task = busiest->recall_last();
    if (!task) break;
    stolen.push_back(std::move(task));
  }
  requeue({stolen.rbegin(), stolen.rend()});
  WorkerProcess& worker = *workers_[index];
  while (!pending_.empty() && try_place(worker, pending_.front())) pending_.pop_front();
  return !stolen.empty();
}

/// See Note [Who looks].
void Pool::arm(Bell::Armed who) {
  for (const auto& worker : workers_) {
    if (!worker) continue;
    const std::uint64_t feeding = worker->feeding_point(!pending_.empty());
    worker->notify_at(some_are_watched_ ? std::min(feeding, worker->first_watched()) : feeding);
  }
  for (const RemoteTask* task : waiting_) {
    if (WorkerProcess* worker = worker_of(*const_cast<RemoteTask*>(task)))
      worker->notify_at(std::min(task->sequence + 1, worker->feeding_point(!pending_.empty())));
  }
  bell_.armed.store(who, std::memory_order_seq_cst);
}

/// From now on the server thread looks, if there is anything to look for.
void Pool::leave_to_server() {
  if (server_stops_ || bell_.armed.load(std::memory_order_seq_cst) == Bell::kServer) return;
  const bool work =
      !pending_.empty() || std::any_of(workers_.begin(), workers_.end(), [](const auto& worker) {
        return worker && worker->in_flight() != 0;
      });
  if (!work) return;
  if (ensure_server()) return;
  do {
    drain_and_feed();
    arm(Bell::kServer);
  } while (something_done());
}

/// Starts the server thread, which then looks first of all; false when there was one.
bool Pool::ensure_server() {
  if (server_.joinable()) return false;
  server_ = std::thread([this] { serve(); });
  return true;
}

void Pool::serve() {
  ::pthread_setname_np(::pthread_self(), "mutirao-server");
  Lock lock(mutex_);
  while (!server_stops_) {
    const std::uint32_t epoch = bell_.epoch.load(std::memory_order_seq_cst);
    if (!led_) {
      drain_and_feed();
      arm(Bell::kServer);
      if (something_done()) continue;
    }
    std::optional<TimePoint> deadline;
    if (wake_at_ != TimePoint::max()) deadline = wake_at_;
    lock.unlock();
    core::futex_wait(bell_.epoch, epoch, core::FutexScope::kShared, deadline, Bell::kServer);
    lock.lock();
    keep_time();
  }
}

Progress Pool::progress(Task& task) {
  const std::lock_guard lock(mutex_);
  Progress progress;
  auto& remote = static_cast<RemoteTask&>(task);
  if (WorkerProcess* worker = worker_of(remote); worker && worker->read_progress(remote, progress))
    return progress;
  task.progress_cell().read(progress);
  return progress;
}

pid_t Pool::worker_pid(Task& task) {
  const std::lock_guard lock(mutex_);
  auto& remote = static_cast<RemoteTask&>(task);
  if (WorkerProcess* worker = worker_of(remote)) return worker->process_running(remote);
  return task.known_worker_pid();
}

std::size_t Pool::cores_held(Task& task) {
  const std::lock_guard lock(mutex_);
  auto& remote = static_cast<RemoteTask&>(task);
  const WorkerProcess* worker = worker_of(remote);
  if (worker == nullptr || worker->process_running(remote) == 0) return 0;
  return core_words().held_by(worker->participant());
}

void Pool::memory_released() noexcept {
  if (!memory_released_.exchange(true, std::memory_order_acq_rel)) bell_.wake_everybody();
}

}  // namespace mutirao::exec::internal
