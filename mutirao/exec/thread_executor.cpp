#include "mutirao/exec/thread_executor.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include <fmt/format.h>
#include <tbb/concurrent_queue.h>
#include <unistd.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/futex.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/exec/internal/blocked_section.hpp"
#include "mutirao/exec/internal/continuations.hpp"
#include "mutirao/exec/internal/inline_backend.hpp"
#include "mutirao/exec/internal/patience.hpp"
#include "mutirao/exec/internal/pending_tasks.hpp"
#include "mutirao/exec/internal/trace_log.hpp"
#include "mutirao/exec/runtime.hpp"

namespace mutirao::exec {
namespace {

using internal::Backend;
using internal::Task;
using internal::TaskRef;
using internal::TimePoint;

constexpr std::size_t kMostThreads = 4096;
// Threads that stand in for blocked tasks.
constexpr std::size_t kMostSubstitutes = 256;
constexpr auto kLookFor = std::chrono::microseconds(30);
constexpr auto kNap = std::chrono::microseconds(50);
constexpr std::ptrdiff_t kLongQueue = 256;  // tasks

// Note [Who is woken]
// A thread without work looks for a moment, then enlists as a sleeper in `beds_`, looks once more
// and sleeps there until it gets a call. Who pushes a task turns one sleeper into one call, so a
// thread on its way is not called twice, and what comes before it is up costs no system call. Both
// sides read and write `beds_` in one operation, so one of them sees the other. A thread that was
// called for nothing, because others were faster, naps for a moment before it enlists again: a
// stream of short tasks that one thread keeps up with would otherwise call the others all the time.
// At most half of the threads look at the same time: those that look take turns on the cores that
// whoever submits, and whoever has work, could use.

// Note [Who waits behind a long queue]
// Who takes a million results in their order is soon ahead of the threads. To look for each of them
// would take a core from those that make them, and so would being woken for each. So, while many
// tasks are queued, it naps; there will be many results when it wakes up.

/// The queue and its threads.
class ThreadPool final : public Backend {
  /// What one thread has done; written by it alone.
  struct alignas(64) Count {
    std::atomic<std::uint64_t> begun{0};
    std::atomic<std::uint64_t> done{0};
    std::atomic<std::uint64_t> failed{0};
    static void add(std::atomic<std::uint64_t>& value) noexcept {
      value.store(value.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
  };

 public:
  explicit ThreadPool(std::size_t threads, std::function<void()> initializer = {})
      : Backend(false), thread_count_(threads), initializer_(std::move(initializer)) {
    try {
      const std::lock_guard lock(mutex_);
      for (std::size_t i = 0; i < threads; ++i) add_thread();
    } catch (const std::system_error& error) {
      shut_down(Shutdown::kCancel);
      throw core::IoError("cannot start a thread", error.code().value(),
                          "allow more threads (ulimit -u) or ask for fewer");
    }
  }

  void start(const TaskRef& task) override {
    require_own_process();
    if (internal::tracing()) task->note_queued();
    if (closed_.load(std::memory_order_acquire))
      throw ExecutorClosed("this executor was shut down and takes no more tasks");
    const bool ranked = task->has_options() && accept_options(task);
    submitted_.fetch_add(1, std::memory_order_relaxed);
    if (!ranked) queue_.push(task);
    call_one();
  }

  bool cancel_queued(Task& task) override {
    if (!task.claim()) return false;
    cancelled_.fetch_add(1, std::memory_order_relaxed);
    task.fail(std::make_exception_ptr(Cancelled("the task was cancelled before it began")));
    return true;
  }

  bool cancel(Task& task) override {
    if (cancel_queued(task)) return true;
    if (!task.done()) stop_sources().request(task);
    return false;
  }

  bool wait(Task& task, std::optional<TimePoint> deadline) override {
    if (current_pool == nullptr) {
      static thread_local internal::Patience patience;
      if (queue_.unsafe_size() >= kLongQueue && !deadline) {
        nap();
      } else if (patience.worth_a_look()) {
        const auto until = std::chrono::steady_clock::now() + kLookFor;
        for (;;) {
          for (int i = 0; i < 32 && !task.done(); ++i) core::spin_pause();
          if (task.done() || std::chrono::steady_clock::now() >= until) break;
          // A thread that has work may be waiting for this very core.
          std::this_thread::yield();
        }
        task.done() ? patience.hit() : patience.miss();
      }
      return task.sleep_until(deadline);
    }
    // Inside a task: running the awaited one here can neither block nor reorder anything else.
    if (!deadline && task.claim()) {
      run_claimed(task);
      return true;
    }
    const internal::BlockedSection blocked;
    return task.sleep_until(deadline);
  }

  void pause(Task& task, std::chrono::nanoseconds time) override {
    if (time.count() == 0) return;
    const internal::BlockedSection blocked;
    Backend::pause(task, time);
  }

  std::size_t worker_count() const noexcept override { return thread_count_; }

  ExecutorStats stats() const override {
    ExecutorStats stats;
    std::uint64_t begun = 0;
    const std::lock_guard lock(mutex_);
    for (const Count& count : counts_) {
      stats.done += count.done.load(std::memory_order_relaxed);
      stats.failed += count.failed.load(std::memory_order_relaxed);
      begun += count.begun.load(std::memory_order_relaxed);
    }
    const std::uint64_t cancelled = cancelled_.load(std::memory_order_relaxed);
    const std::uint64_t submitted = submitted_.load(std::memory_order_relaxed);
    stats.running = begun > stats.done ? begun - stats.done : 0;
    stats.queued = submitted > begun + cancelled ? submitted - begun - cancelled : 0;
    stats.done += cancelled;
    stats.workers = threads_.size();
    stats.workers_started = counts_.size();
    return stats;
  }

  /// The pool whose thread this is, if any.
  static ThreadPool* current() noexcept { return current_pool; }

  void close(Shutdown how) override {
    if (how != Shutdown::kWait) cancels_.store(true, std::memory_order_release);
    closed_.store(true, std::memory_order_seq_cst);
    if (how == Shutdown::kKill) stop_sources().request_all();
    call_everybody();
    {
      const std::lock_guard lock(mutex_);
      unparked_.notify_all();
    }
  }

  void shut_down(Shutdown how) override {
    if (current_pool == this) {
      throw core::InvalidArgument("an executor cannot be shut down by one of its own tasks",
                                  "shut it down where it was made");
    }
    close(how);
    const std::lock_guard joining(joining_);
    // A thread may still add another while it runs its last task.
    for (;;) {
      std::list<std::thread> threads;
      {
        const std::lock_guard lock(mutex_);
        threads.swap(threads_);
      }
      if (threads.empty()) break;
      for (std::thread& thread : threads) thread.join();
    }
    TaskRef task;
    while (pop(task)) cancel_unbegun(*task);
  }

  /// The calling thread will sleep inside its task: another takes its place.
  void block() {
    const std::lock_guard lock(mutex_);
    if (parked_ > 0) {
      --parked_;
      ++tickets_;
      unparked_.notify_one();
    } else if (threads_.size() < thread_count_ + kMostSubstitutes) {
      try {
        add_thread();
      } catch (const std::system_error&) {
        // Without a substitute there is only less parallelism.
        ++missing_;
      }
    } else {
      ++missing_;
    }
  }

  /// The calling thread goes on: some thread, after its task, is one too many.
  void unblock() {
    const std::lock_guard lock(mutex_);
    if (missing_ > 0) {
      --missing_;
    } else {
      surplus_.fetch_add(1, std::memory_order_relaxed);
    }
  }

 private:
  /// Puts a task with a priority where it belongs; false when it has none.
  bool accept_options(const TaskRef& task) {
    const TaskOptions& options = task->options();
    if (options.resources.cores != 1 || options.resources.memory_bytes != 0) {
      throw core::Unsupported("a thread cannot be given cores or a memory limit of its own",
                              "use a ProcessExecutor for tasks with resources");
    }
    if (options.priority == 0) return false;
    const std::lock_guard lock(ranked_mutex_);
    (options.priority > 0 ? urgent_ : patient_).push_back(task);
    urgent_count_.store(urgent_.size(), std::memory_order_seq_cst);
    patient_count_.store(patient_.size(), std::memory_order_seq_cst);
    return true;
  }

  bool pop_ranked(internal::PendingTasks& tasks, std::atomic<std::size_t>& count, TaskRef& task) {
    if (count.load(std::memory_order_seq_cst) == 0) return false;
    const std::lock_guard lock(ranked_mutex_);
    if (tasks.empty()) return false;
    task = tasks.pop_front();
    count.store(tasks.size(), std::memory_order_seq_cst);
    return true;
  }

  bool pop(TaskRef& task) {
    return pop_ranked(urgent_, urgent_count_, task) || queue_.try_pop(task) ||
           pop_ranked(patient_, patient_count_, task);
  }

  // See Note [Who is woken]. Enlisted threads = sleepers + calls.
  static constexpr std::uint32_t kSleeper = 1;
  static constexpr std::uint32_t kCall = 1U << 16;
  static std::uint32_t sleepers_of(std::uint32_t beds) noexcept { return beds % kCall; }

  void call_one() noexcept {
    std::uint32_t beds = beds_.fetch_add(0, std::memory_order_seq_cst);
    do {
      if (sleepers_of(beds) == 0) return;
    } while (!beds_.compare_exchange_weak(beds, beds - kSleeper + kCall));
    core::futex_wake(beds_, 1, core::FutexScope::kProcess);
  }

  void call_everybody() noexcept {
    std::uint32_t beds = beds_.load();
    while (!beds_.compare_exchange_weak(beds, beds + sleepers_of(beds) * (kCall - kSleeper))) {
    }
    core::futex_wake(beds_, INT_MAX, core::FutexScope::kProcess);
    closings_.fetch_add(1, std::memory_order_seq_cst);
    core::futex_wake(closings_, INT_MAX, core::FutexScope::kProcess);
  }

  /// Of a thread that is enlisted and need not sleep.
  void get_up() noexcept {
    std::uint32_t beds = beds_.load();
    while (!beds_.compare_exchange_weak(beds, beds - (sleepers_of(beds) != 0 ? kSleeper : kCall))) {
    }
  }

  void sleep_until_called() noexcept {
    std::uint32_t beds = beds_.load();
    for (;;) {
      if (beds < kCall) {
        core::futex_wait(beds_, beds, core::FutexScope::kProcess);
        beds = beds_.load();
      } else if (beds_.compare_exchange_weak(beds, beds - kCall)) {
        return;
      }
    }
  }

  void nap() noexcept {
    const std::uint32_t closings = closings_.load(std::memory_order_seq_cst);
    if (closed_.load(std::memory_order_seq_cst)) return;
    core::futex_wait(closings_, closings, core::FutexScope::kProcess,
                     std::chrono::steady_clock::now() + kNap);
  }

  /// See Note [Who is woken].
  bool may_look() const noexcept {
    return lookers_.load(std::memory_order_relaxed) < std::max<std::size_t>(1, thread_count_ / 2);
  }
  struct Looking {
    explicit Looking(std::atomic<std::size_t>& all) noexcept : lookers(all) {
      lookers.fetch_add(1, std::memory_order_relaxed);
    }
    ~Looking() { lookers.fetch_sub(1, std::memory_order_relaxed); }
    Looking(const Looking&) = delete;
    Looking& operator=(const Looking&) = delete;
    std::atomic<std::size_t>& lookers;
  };

  void cancel_unbegun(Task& task) {
    if (!task.claim()) return;
    cancelled_.fetch_add(1, std::memory_order_relaxed);
    task.fail(std::make_exception_ptr(
        Cancelled("the task was cancelled: its executor was shut down before it began")));
  }

  void add_thread() {
    counts_.emplace_back();
    threads_.emplace_back([this, count = &counts_.back()] { run(count); });
  }

  void run(Count* count) {
    current_pool = this;
    current_count = count;
    if (initializer_) initialize();
    const pid_t process = ::getpid();
    TaskRef task;
    while (next(task)) {
      if (cancels_.load(std::memory_order_acquire)) {
        cancel_unbegun(*task);
      } else if (broken_.load(std::memory_order_acquire)) {
        if (task->claim()) fail_unbegun(*task);
      } else if (task->claim()) {
        task->set_worker_pid(process);
        run_claimed(*task);
      }
      task = {};
      if (surplus_.load(std::memory_order_relaxed) > 0) step_back();
    }
  }

  void initialize() {
    try {
      try {
        initializer_();
      } catch (...) {
        std::throw_with_nested(WorkerInitFailed("the initializer of the threads fails"));
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      initializer_error_ = std::current_exception();
      broken_.store(true, std::memory_order_release);
    }
  }

  void fail_unbegun(Task& task) {
    Count& count = *current_count;
    Count::add(count.begun);
    std::exception_ptr error;
    {
      const std::lock_guard lock(mutex_);
      error = initializer_error_;
    }
    // Counted by when anybody sees that it failed.
    Count::add(count.done);
    Count::add(count.failed);
    task.fail(error);
  }

  static void run_claimed(Task& task) {
    // Each thread counts for itself: a shared count would cost more than many a task.
    Count& count = *current_count;
    Count::add(count.begun);
    const TimePoint begin = internal::tracing() ? TimePoint::clock::now() : TimePoint();
    task.run();
    // A timeout may be just about to fail it.
    const bool failed = !task.done() || task.error() != nullptr;
    Count::add(count.done);
    if (failed) Count::add(count.failed);
    if (begin == TimePoint()) return;
    internal::trace_attempt(task, begin, TimePoint::clock::now(), ::gettid(),
                            failed ? "failed" : "ok");
  }

  bool next(TaskRef& task) {
    if (pop(task)) return true;
    static thread_local internal::Patience patience;
    if (may_look() && patience.worth_a_look()) {
      const Looking looking(lookers_);
      const auto until = std::chrono::steady_clock::now() + kLookFor;
      while (!closed_.load(std::memory_order_relaxed)) {
        for (int i = 0; i < 16; ++i) {
          if (pop(task)) {
            patience.hit();
            return true;
          }
          core::spin_pause();
        }
        if (std::chrono::steady_clock::now() > until) break;
        std::this_thread::yield();
      }
      patience.miss();
    }
    for (;;) {
      beds_.fetch_add(kSleeper, std::memory_order_seq_cst);
      const bool found = pop(task);
      const bool closed = closed_.load(std::memory_order_seq_cst);
      if (found || closed) {
        get_up();
        return found || pop(task);
      }
      sleep_until_called();
      if (pop(task)) return true;
      nap();
      if (pop(task)) return true;
    }
  }

  void step_back() {
    std::unique_lock lock(mutex_);
    if (surplus_.load(std::memory_order_relaxed) == 0) return;
    surplus_.fetch_sub(1, std::memory_order_relaxed);
    ++parked_;
    unparked_.wait(lock, [this] { return tickets_ > 0 || closed_.load(); });
    if (tickets_ > 0) --tickets_;
  }

  static thread_local ThreadPool* current_pool;
  static thread_local Count* current_count;

  const std::size_t thread_count_;
  const std::function<void()> initializer_;
  std::atomic<bool> broken_{false};       // the initializer threw
  tbb::concurrent_queue<TaskRef> queue_;  // the tasks of priority 0
  std::atomic<bool> closed_{false};
  std::atomic<bool> cancels_{false};    // what is queued is not run any more
  std::atomic<std::uint32_t> beds_{0};  // kSleeper * threads that sleep + kCall * calls to get up
  std::atomic<std::uint32_t> closings_{0};  // naps end when it moves
  std::atomic<std::size_t> lookers_{0};     // threads that look for work without sleeping
  std::atomic<std::size_t> surplus_{0};     // threads that should step back; changed under mutex_

  std::mutex ranked_mutex_;
  internal::PendingTasks urgent_;  // guarded by ranked_mutex_, as is patient_
  internal::PendingTasks patient_;
  std::atomic<std::size_t> urgent_count_{0};
  std::atomic<std::size_t> patient_count_{0};

  std::atomic<std::uint64_t> submitted_{0};
  std::atomic<std::uint64_t> cancelled_{0};

  std::mutex joining_;
  mutable std::mutex mutex_;
  std::condition_variable unparked_;
  // Guarded by mutex_.
  std::list<std::thread> threads_;
  std::deque<Count> counts_;  // one per thread that was ever started
  std::size_t parked_ = 0;    // stepped back, and not called again
  std::size_t tickets_ = 0;   // called again, and not yet come
  std::size_t missing_ = 0;   // blocked without a substitute
  std::exception_ptr initializer_error_;
};

thread_local ThreadPool* ThreadPool::current_pool = nullptr;
thread_local ThreadPool::Count* ThreadPool::current_count = nullptr;

/// Says what stands behind it.
class Continuations final : public Executor {
 public:
  Continuations() : Executor(std::make_shared<ThreadPool>(CoreBudget::current().cores())) {}
  const std::shared_ptr<Backend>& shared_backend() const noexcept { return backend(); }
  void run(std::function<void()> body) {
    (void)submit_local(TaskOptions{}, [run = std::move(body)] { run(); });
  }
};

Continuations& continuations() {
  // Lives as long as the program, which does not wait for what still follows at its end.
  static std::atomic<Continuations*> executor{nullptr};
  Continuations* known = executor.load(std::memory_order_acquire);
  // In a process that the user forked, the threads of the former are not there.
  while (known == nullptr || known->shared_backend()->left_behind()) {
    auto fresh = std::make_unique<Continuations>();
    if (executor.compare_exchange_strong(known, fresh.get())) return *fresh.release();
  }
  return *known;
}

std::shared_ptr<Backend> make_backend(ThreadExecutorOptions options) {
  if (internal::inline_is_forced()) {
    if (options.initializer) options.initializer();
    return internal::make_inline_backend();
  }
  const std::size_t threads =
      options.threads != 0 ? options.threads : CoreBudget::current().cores();
  if (threads > kMostThreads) {
    throw core::InvalidArgument(
        fmt::format("an executor has at most {} threads, not {}", kMostThreads, threads));
  }
  return std::make_shared<ThreadPool>(threads, std::move(options.initializer));
}

}  // namespace

namespace internal {

BlockedSection::BlockedSection() {
  if (ThreadPool* pool = ThreadPool::current()) pool->block();
}

BlockedSection::~BlockedSection() {
  if (ThreadPool* pool = ThreadPool::current()) pool->unblock();
}

std::shared_ptr<Backend> continuations_backend() { return continuations().shared_backend(); }

void post_continuation(std::function<void()> body) noexcept {
  continuations().run(std::move(body));
}

}  // namespace internal

Executor& Runtime::continuations() { return exec::continuations(); }

ThreadExecutor::ThreadExecutor(ThreadExecutorOptions options)
    : Executor(make_backend(std::move(options))) {}

ThreadExecutor::~ThreadExecutor() {
  // In a process that the user forked, the threads are not there: leave all as it is.
  if (backend()->left_behind()) {
    // NOLINTNEXTLINE(bugprone-unhandled-exception-at-new): nothing can go on without those bytes
    new std::shared_ptr<Backend>(backend());
    return;
  }
  backend()->shut_down(Shutdown::kCancel);
}

}  // namespace mutirao::exec
