#include "mutirao/exec/internal/task.hpp"
#include "mutirao/exec/internal/backend.hpp"

#include <algorithm>
#include <climits>
#include <condition_variable>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/futex.hpp"
#include "mutirao/exec/error.hpp"
#include "mutirao/exec/internal/call.hpp"
#include "mutirao/exec/internal/timer.hpp"

namespace mutirao::exec {
namespace internal {
namespace {

thread_local TaskContext* current_context = nullptr;

}  // namespace

bool Task::lost() noexcept {
  if (!backend_->left_behind()) return false;
  if (!done()) {
    fail(std::make_exception_ptr(
        ExecutorClosed("the task belongs to the process that this one was forked from")));
  }
  return true;
}

void Backend::throw_left_behind() {
  throw ExecutorClosed("this executor belongs to the process that this one was forked from");
}

void Task::wait() {
  if (!done() && !lost()) backend_->wait(*this, std::nullopt);
}

bool Task::wait_until(TimePoint deadline) {
  return done() || lost() || backend_->wait(*this, deadline);
}

bool Task::poll() {
  if (!done() && !lost()) backend_->poll();
  return done();
}

Progress Task::progress() { return lost() ? Progress() : backend_->progress(*this); }

void Task::detach() {
  if (!done() && !backend_->left_behind()) backend_->detach();
}

void Task::request_stop() { backend_->stop_sources().request(*this); }

Task::Continuation* Task::ended() noexcept {
  static Continuation mark{};
  return &mark;
}

Task::~Task() {
  Continuation* each = continuations_.load(std::memory_order_acquire);
  while (each != nullptr && each != ended()) {
    const std::unique_ptr<Continuation> dropped(each);
    each = each->next;
  }
}

void Task::when_done(std::function<void()> action) {
  add(kWatched);
  auto node = std::make_unique<Continuation>();
  node->action = std::move(action);
  Continuation* first = continuations_.load(std::memory_order_acquire);
  do {
    if (first == ended()) return node->action();
    node->next = first;
  } while (!continuations_.compare_exchange_weak(first, node.get(), std::memory_order_acq_rel));
  static_cast<void>(node.release());
  if (!lost()) backend_->watch(*this);
}

void Task::start() {
  add(kPrepared);
  retain();
  backend_->start(TaskRef(this));
}

void Task::fail_outside(std::exception_ptr error) {
  fail(std::move(error));
  backend_->wake_waiters();
}

bool Task::cancel() {
  if (lost()) return false;
  if (status() & kDeferred) {
    if (done()) return false;
    if ((add(kReleased) & kReleased) == 0) {
      fail_outside(std::make_exception_ptr(Cancelled("the task was cancelled before it began")));
      return true;
    }
  }
  return backend_->cancel(*this);
}

std::stop_token Task::stop_token() { return backend_->stop_sources().token_of(*this); }

std::size_t Task::cores_held() { return lost() ? 0 : backend_->cores_held(*this); }

pid_t Task::worker_pid() { return lost() ? 0 : backend_->worker_pid(*this); }

bool Task::sleep_until(std::optional<TimePoint> deadline) noexcept {
  for (;;) {
    std::uint32_t status = status_.load(std::memory_order_acquire);
    if (status & kDone) return true;
    if (!(status & kHasWaiter)) {
      if (!status_.compare_exchange_weak(status, status | kHasWaiter, std::memory_order_acq_rel))
        continue;
      status |= kHasWaiter;
    }
    if (!core::futex_wait(status_, status, core::FutexScope::kProcess, deadline)) return done();
  }
}

bool Task::sleep_once(std::uint32_t seen, std::optional<TimePoint> deadline) noexcept {
  std::uint32_t status = seen;
  if (!(status & kHasWaiter)) {
    if (!status_.compare_exchange_strong(status, status | kHasWaiter, std::memory_order_acq_rel))
      return true;
    status |= kHasWaiter;
  }
  return core::futex_wait(status_, status, core::FutexScope::kProcess, deadline);
}

void Task::nudge() noexcept {
  status_.fetch_add(kNudge, std::memory_order_acq_rel);
  core::futex_wake(status_, INT_MAX, core::FutexScope::kProcess);
}

bool Task::claim() noexcept {
  std::uint32_t status = status_.load(std::memory_order_acquire);
  while ((status & (kRunning | kDone)) == 0 &&
         ((status & kDeferred) == 0 || (status & kPrepared) != 0)) {
    if (status_.compare_exchange_weak(status, status | kRunning, std::memory_order_acq_rel))
      return true;
  }
  return false;
}

void Task::finish() noexcept {
  const std::uint32_t before = status_.fetch_or(kDone, std::memory_order_acq_rel);
  Continuation* first = continuations_.exchange(ended(), std::memory_order_acq_rel);
  // Oldest first: the list grew at its head.
  Continuation* in_order = nullptr;
  while (first != nullptr) {
    Continuation* const next = first->next;
    first->next = in_order;
    in_order = first;
    first = next;
  }
  if (before & kHasWaiter) core::futex_wake(status_, INT_MAX, core::FutexScope::kProcess);
  while (in_order != nullptr) {
    const std::unique_ptr<Continuation> each(in_order);
    in_order = each->next;
    each->action();
  }
}

const TaskOptions& Task::options() const noexcept {
  // Never destroyed: tasks may outlive static objects. It holds nothing that allocates.
  // NOLINTNEXTLINE(bugprone-unhandled-exception-at-new)
  static const TaskOptions& defaults = *new TaskOptions;
  return options_ ? *options_ : defaults;
}

bool Task::run_again(const std::exception_ptr& error, unsigned attempt) noexcept {
  if (error && has_options() && !settled() && attempt < options().retry.attempts &&
      includes(options().retry.on, RetryOn::kException) && !(status() & kStopRequested)) {
    backend_->pause(*this, backoff_before(options().retry, attempt));
    if (!(status() & kStopRequested)) return true;
  }
  if (status() & kHasStopSource) backend_->stop_sources().forget(*this);
  // Its timeout may have been first.
  if (has_options() && !settle()) return false;
  error_ = error;
  finish();
  return false;
}

LocalTimeout::LocalTimeout(Task& task) {
  const std::chrono::nanoseconds timeout = task.options().timeout;
  if (timeout.count() == 0) return;
  task.retain();
  ticket_ = Timer::current().at(
      later(TimePoint::clock::now(), timeout),
      [reference = TaskRef(&task), timeout] {
        if (!reference->settle()) return;
        // Whoever waits goes on first; what stop callbacks do may take long.
        reference->fail(std::make_exception_ptr(TaskTimeout(reference->name(), timeout)));
        reference->request_stop();
      },
      timeout);
}

LocalTimeout::~LocalTimeout() {
  if (ticket_ != 0) Timer::current().cancel(ticket_);
}

void Task::run() noexcept {
  fail(std::make_exception_ptr(core::InternalError("a task for another process was run here")));
}

Progress Backend::progress(Task& task) {
  Progress progress;
  task.progress_cell().read(progress);
  return progress;
}

void Backend::pause(Task& task, std::chrono::nanoseconds time) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, task.stop_token(), time, [] { return false; });
}

OptionsRef checked(TaskOptions options) {
  const auto refuse = [&](const char* what) {
    throw core::InvalidArgument(
        fmt::format("the options of task '{}' cannot be: {}", options.name, what));
  };
  if (options.timeout.count() < 0) refuse("the timeout is negative");
  if (options.retry.attempts == 0) refuse("a task has at least one attempt");
  if (options.retry.backoff.count() < 0) refuse("the backoff is negative");
  if (options.resources.cores == 0) refuse("a task needs at least one core");
  return std::make_shared<const TaskOptions>(std::move(options));
}

std::chrono::nanoseconds backoff_before(const Retry& retry, unsigned failed) noexcept {
  constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(1);
  const unsigned doublings = std::min(failed - 1, 20U);
  return std::min<std::chrono::nanoseconds>(retry.backoff, kLongest / (1U << doublings)) *
         (1U << doublings);
}

void throw_empty_future() {
  throw core::InvalidArgument("this future is empty",
                              "call get() once, on a future that submit returned");
}

void rethrow(const std::exception_ptr& error) { std::rethrow_exception(error); }

CurrentTask::CurrentTask(TaskContext* context) noexcept : outer_(current_context) {
  current_context = context;
}

CurrentTask::~CurrentTask() { current_context = outer_; }

TaskContext* CurrentTask::context() noexcept { return current_context; }

std::stop_token StopSources::token_of(Task& task) {
  std::stop_source source;
  bool now = false;
  {
    const std::lock_guard lock(mutex_);
    source = sources_.try_emplace(&task, source).first->second;
    now = all_ || (task.add(Task::kHasStopSource) & Task::kStopRequested) != 0;
  }
  // A copy assignment is no move, whatever the analyzer makes of the library's swap.
  // NOLINTBEGIN(clang-analyzer-cplusplus.Move)
  if (now) source.request_stop();
  return source.get_token();
  // NOLINTEND(clang-analyzer-cplusplus.Move)
}

void StopSources::request(Task& task) {
  std::stop_source source(std::nostopstate);
  {
    const std::lock_guard lock(mutex_);
    if ((task.add(Task::kStopRequested) & Task::kHasStopSource) == 0) return;
    if (const auto found = sources_.find(&task); found != sources_.end()) source = found->second;
  }
  // Its callbacks run here, without the lock.
  source.request_stop();  // NOLINT(clang-analyzer-cplusplus.Move): it was copied
}

void StopSources::request_all() {
  std::unordered_map<const Task*, std::stop_source> all;
  {
    const std::lock_guard lock(mutex_);
    all_ = true;
    all = sources_;
  }
  for (auto& [task, source] : all) source.request_stop();
}

void StopSources::forget(const Task& task) noexcept {
  const std::lock_guard lock(mutex_);
  sources_.erase(&task);
}

void save_entry(core::OutputArchive& archive, const FunctionId& entry) { archive(entry); }

void throw_not_repeatable(const std::string& task) {
  throw core::InvalidArgument("task '" + task +
                                  "' cannot be tried again: its function or an "
                                  "argument cannot be copied",
                              "give it one attempt, or arguments that can be copied");
}

void throw_not_serializable(const std::string& task) {
  const std::string which = task.empty() ? "a task" : "task '" + task + "'";
  std::throw_with_nested(NotSerializable("the arguments of " + which + " cannot be encoded"));
}

}  // namespace internal

namespace this_task {

void report_progress(const Progress& progress) noexcept {
  if (internal::TaskContext* context = internal::CurrentTask::context())
    context->progress_cell().write(progress);
}

std::stop_token stop_token() {
  internal::TaskContext* const context = internal::CurrentTask::context();
  return context != nullptr ? context->stop_token() : std::stop_token();
}

}  // namespace this_task
}  // namespace mutirao::exec
