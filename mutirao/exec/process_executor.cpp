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

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/futex.hpp"
#include "mutirao/core/shared_memory.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/exec/internal/inline_backend.hpp"
#include "mutirao/exec/internal/pool.hpp"

namespace mutirao::exec {
namespace internal {
namespace {

constexpr std::size_t kMostWorkers = 1000;
// A worker that dies before it did anything is replaced this often in a row.
constexpr int kMostDeathsWithoutWork = 3;
// How long a waiting thread looks before it sleeps: about as long as being woken costs.
constexpr auto kLookFor = std::chrono::microseconds(50);

/// The pools of this process, to be told when memory was let go of.
struct Pools {
  std::mutex mutex;
  std::vector<Pool*> all;
};

Pools& pools() {
  static Pools& list = *new Pools;
  return list;
}

void tell_pools_of_release() noexcept {
  Pools& list = pools();
  const std::lock_guard lock(list.mutex);
  for (Pool* pool : list.all) pool->memory_released();
}

}  // namespace

std::shared_ptr<Pool> Pool::start_workers(std::size_t workers) {
  auto pool = std::make_shared<Pool>(workers);
  core::SharedMemory::set_release_listener(&tell_pools_of_release);
  {
    const std::lock_guard lock(pools().mutex);
    pools().all.push_back(pool.get());
  }
  try {
    const std::lock_guard lock(pool->mutex_);
    for (std::uint32_t i = 0; i < workers; ++i) pool->hire(i);
  } catch (...) {
    pool->shut_down();
    throw;
  }
  return pool;
}

Pool::Pool(std::size_t workers)
    : Backend(true),
      worker_count_(workers),
      bell_file_(core::create_memory_file(sizeof(Bell))),
      bell_mapping_(bell_file_.get(), sizeof(Bell), core::Mapping::Access::kReadWrite),
      bell_(*static_cast<Bell*>(bell_mapping_.data())),
      workers_(workers),
      last_active_(workers) {}

// ---- Tasks come in.

void Pool::start(const TaskRef& task) { start_all(std::span(&task, 1)); }

void Pool::start_all(std::span<const TaskRef> tasks) {
  const std::lock_guard lock(mutex_);
  if (closed_) throw ExecutorClosed("this executor was shut down and takes no more tasks");
  for (const TaskRef& task : tasks) accept(task);
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
        return;
      }
    }
  }
  // Memory that is let go of while nobody waits is the server's affair.
  if (!static_cast<RemoteTask&>(*task).request.attachments.empty()) ensure_server();
  if (!pending_.empty() || !place_somewhere(task)) pending_.push_back(task);
}

bool Pool::place_somewhere(const TaskRef& task) {
  // An idle worker first, of those the one that worked last: its caches are warm. Then whoever has
  // least to do and may have more.
  std::uint32_t best = RemoteTask::kNowhere;
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    if (!workers_[i] || !workers_[i]->hungry()) continue;
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
    return worker.place(task);
  } catch (...) {
    task->fail(std::current_exception());
    return true;
  }
}

bool Pool::cancel_queued(Task& task) {
  const std::lock_guard lock(mutex_);
  if (task.done()) return false;
  auto& remote = static_cast<RemoteTask&>(task);
  TaskRef kept;
  if (WorkerProcess* worker = worker_of(remote)) {
    task.retain();
    kept = TaskRef(&task);
    if (!worker->recall(remote)) return false;
  } else {
    const auto queued = std::find_if(pending_.begin(), pending_.end(),
                                     [&](const TaskRef& each) { return each.get() == &task; });
    if (queued == pending_.end()) return false;
    kept = std::move(*queued);
    pending_.erase(queued);
  }
  task.fail(std::make_exception_ptr(Cancelled("the task was cancelled before it began")));
  return true;
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
  if (worker == nullptr || !worker->quick() || worker_count_ == 0) return;
  // The channel stays mapped, whatever becomes of the worker meanwhile.
  const std::shared_ptr<Channel> channel = worker->channel();
  const std::atomic<std::uint64_t>& state = channel->slot(task.sequence).state;
  const std::uint64_t done = state_word(task.sequence, SlotState::kDone);
  lock.unlock();
  const auto until = std::chrono::steady_clock::now() + kLookFor;
  do {
    for (int i = 0; i < 32 && state.load(std::memory_order_acquire) != done; ++i)
      core::spin_pause();
  } while (state.load(std::memory_order_acquire) != done &&
           std::chrono::steady_clock::now() < until);
  lock.lock();
}

void Pool::poll() {
  const std::lock_guard lock(mutex_);
  drain_and_feed();
}

void Pool::detach() {
  const std::lock_guard lock(mutex_);
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
    if (workers_[i]->drain() != 0) {
      deaths_without_work_ = 0;
      last_active_[i] = ++activity_;
    }
    feed(i);
  }
}

void Pool::feed(std::uint32_t index) {
  WorkerProcess& worker = *workers_[index];
  while (!pending_.empty() && worker.hungry()) {
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

void Pool::requeue(std::vector<TaskRef> tasks) {
  pending_.insert(pending_.begin(), std::make_move_iterator(tasks.begin()),
                  std::make_move_iterator(tasks.end()));
}

/// See Note [Who looks].
void Pool::arm(Bell::Armed who) {
  for (const auto& worker : workers_) {
    if (worker) worker->notify_at(worker->feeding_point(!pending_.empty()));
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
    lock.unlock();
    core::futex_wait(bell_.epoch, epoch, core::FutexScope::kShared, std::nullopt, Bell::kServer);
    lock.lock();
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

void Pool::memory_released() noexcept {
  if (!memory_released_.exchange(true, std::memory_order_acq_rel)) bell_.wake_everybody();
}

// ---- Workers come and go.

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
    spawner.spawn(worker->token(),
                  {.channel = worker->channel()->descriptor(),
                   .bell = bell_file_.get(),
                   .socket = worker->worker_socket().get()},
                  *participant, weak_from_this());
    worker->worker_socket().close();
    workers_[index] = std::move(worker);
  } catch (...) {
    core_words().sweep(*participant);
    throw;
  }
}

void Pool::on_started(std::uint64_t token, pid_t, core::UniqueFd pidfd) {
  const std::lock_guard lock(mutex_);
  if (const auto place = find(token); place != workers_.end())
    (*place)->set_pidfd(std::move(pidfd));
}

void Pool::on_failed(std::uint64_t token, int error) {
  const std::lock_guard lock(mutex_);
  const auto place = find(token);
  if (place == workers_.end()) return;
  const std::unique_ptr<WorkerProcess> absent = std::move(*place);
  core_words().sweep(absent->participant());
  requeue(absent->settle().not_started);
  if (error == ELOOP) {
    fail_all("cannot start a worker: executors are nested too deeply",
             "use at most 4 levels of executors inside tasks");
  } else if (!anybody_works()) {
    fail_all("cannot start a worker: " + std::generic_category().message(error),
             "allow more processes (ulimit -u) or more memory");
  }
  worker_ended_.notify_all();
  bell_.wake_everybody();
}

void Pool::on_ended(std::uint64_t token, const WorkerEnd& end) {
  const std::lock_guard lock(mutex_);
  const auto place = find(token);
  if (place == workers_.end()) return;
  const std::unique_ptr<WorkerProcess> dead = std::move(*place);
  core_words().sweep(dead->participant());
  const pid_t process = dead->process();
  const std::size_t under_way = dead->in_flight();
  WorkerProcess::Estate estate = dead->settle();
  const bool worked = estate.crashed || estate.not_started.size() < under_way;
  deaths_without_work_ = worked ? 0 : deaths_without_work_ + 1;
  if (estate.crashed) {
    estate.crashed->fail(std::make_exception_ptr(TaskCrashed({.task = estate.crashed->name(),
                                                              .signal = end.signal,
                                                              .exit_code = end.exit_code,
                                                              .phase = estate.phase,
                                                              .worker = process,
                                                              .stderr_tail = end.stderr_tail})));
  }
  requeue(std::move(estate.not_started));
  std::string why = fmt::format("workers end before they can run a task ({})",
                                end.signal != 0 ? fmt::format("signal {}", end.signal)
                                                : fmt::format("exit code {}", end.exit_code));
  if (!closed_ && deaths_without_work_ < kMostDeathsWithoutWork) {
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
  worker_ended_.notify_all();
  bell_.wake_everybody();
}

void Pool::fail_all(const std::string& why, const std::string& hint) {
  for (const TaskRef& task : std::exchange(pending_, {}))
    task->fail(std::make_exception_ptr(WorkerInitFailed(why, hint)));
}

void Pool::shut_down() {
  Lock lock(mutex_);
  if (std::exchange(closed_, true)) return;
  std::vector<TaskRef> cancelled(std::make_move_iterator(pending_.begin()),
                                 std::make_move_iterator(pending_.end()));
  pending_.clear();
  for (const auto& worker : workers_) {
    while (TaskRef task = worker ? worker->recall_last() : TaskRef()) cancelled.push_back(task);
  }
  for (const TaskRef& task : cancelled) {
    task->fail(std::make_exception_ptr(
        Cancelled("the task was cancelled: its executor was shut down before it began")));
  }
  for (const auto& worker : workers_) {
    if (worker) worker->ask_to_stop();
  }
  // A worker may need its results looked at before it can end; its end wakes this thread.
  leave_to_server();
  worker_ended_.wait(lock, [this] { return !anybody_works(); });
  server_stops_ = true;
  bell_.wake_everybody();
  lock.unlock();
  if (server_.joinable()) server_.join();
  // Nothing of the pool is left when its executor is gone.
  if (Spawner::exists()) Spawner::current().finish_telling();
  const std::lock_guard list_lock(pools().mutex);
  std::erase(pools().all, this);
}

}  // namespace internal

namespace {

std::shared_ptr<internal::Backend> make_backend(const ProcessExecutorOptions& options) {
  if (internal::inline_is_forced()) return internal::make_inline_backend();
  internal::Spawner::current();
  const std::size_t workers =
      options.workers != 0 ? options.workers : CoreBudget::current().cores();
  if (workers > internal::kMostWorkers) {
    throw core::InvalidArgument(
        fmt::format("an executor has at most {} workers, not {}", internal::kMostWorkers, workers));
  }
  return internal::Pool::start_workers(workers);
}

}  // namespace

ProcessExecutor::ProcessExecutor(ProcessExecutorOptions options)
    : Executor(make_backend(options)), owner_(::getpid()) {}

ProcessExecutor::~ProcessExecutor() {
  // In a process that the user forked, the workers and threads are not there: leave all as it is.
  if (::getpid() != owner_) {
    new std::shared_ptr<internal::Backend>(backend());
    return;
  }
  if (auto* pool = dynamic_cast<internal::Pool*>(backend().get())) pool->shut_down();
}

}  // namespace mutirao::exec
