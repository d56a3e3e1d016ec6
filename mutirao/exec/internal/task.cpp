#include "mutirao/exec/internal/task.hpp"

#include <climits>

#include "mutirao/core/error.hpp"
#include "mutirao/core/futex.hpp"
#include "mutirao/exec/error.hpp"
#include "mutirao/exec/internal/call.hpp"

namespace mutirao::exec {
namespace internal {
namespace {

thread_local TaskContext* current_context = nullptr;

}  // namespace

void Task::wait() {
  if (!done()) backend_->wait(*this, std::nullopt);
}

bool Task::wait_until(TimePoint deadline) { return done() || backend_->wait(*this, deadline); }

bool Task::poll() {
  if (!done()) backend_->poll();
  return done();
}

Progress Task::progress() { return backend_->progress(*this); }

void Task::detach() {
  if (!done()) backend_->detach();
}

bool Task::cancel() { return backend_->cancel(*this); }

std::stop_token Task::stop_token() { return backend_->stop_sources().token_of(*this); }

pid_t Task::worker_pid() { return backend_->worker_pid(*this); }

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
  while ((status & (kRunning | kDone)) == 0) {
    if (status_.compare_exchange_weak(status, status | kRunning, std::memory_order_acq_rel))
      return true;
  }
  return false;
}

void Task::finish() noexcept {
  if (status_.load(std::memory_order_relaxed) & kHasStopSource)
    backend_->stop_sources().forget(*this);
  const std::uint32_t before = status_.fetch_or(kDone, std::memory_order_acq_rel);
  if (before & kHasWaiter) core::futex_wake(status_, INT_MAX, core::FutexScope::kProcess);
}

void Task::run() noexcept {
  fail(std::make_exception_ptr(core::InternalError("a task for another process was run here")));
}

Progress Backend::progress(Task& task) {
  Progress progress;
  task.progress_cell().read(progress);
  return progress;
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
  if (now) source.request_stop();
  return source.get_token();
}

void StopSources::request(Task& task) {
  std::stop_source source(std::nostopstate);
  {
    const std::lock_guard lock(mutex_);
    if ((task.add(Task::kStopRequested) & Task::kHasStopSource) == 0) return;
    if (const auto found = sources_.find(&task); found != sources_.end()) source = found->second;
  }
  // Its callbacks run here, without the lock.
  source.request_stop();
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

void save_entry(core::OutputArchive& archive, const FunctionId& entry) {
  archive(entry.module, entry.offset);
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
