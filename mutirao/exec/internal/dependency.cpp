#include "mutirao/exec/internal/dependency.hpp"

#include <atomic>
#include <exception>

#include "mutirao/exec/error.hpp"
#include "mutirao/exec/internal/continuations.hpp"

namespace mutirao::exec::internal {
namespace {

/// The error of a task whose dependency failed: that failure is its cause.
std::exception_ptr dependency_failed(const TaskRef& task, const TaskRef& need) {
  const std::string which = task->name().empty() ? "a task" : "task '" + task->name() + "'";
  const std::string other =
      need->name().empty() ? "a task that it depends on" : "task '" + need->name() + "'";
  try {
    try {
      rethrow(need->error());
    } catch (...) {
      std::throw_with_nested(DependencyFailed(which + " cannot run: " + other + " failed"));
    }
  } catch (...) {
    return std::current_exception();
  }
}

void begin(const TaskRef& task, const std::vector<TaskRef>& needs,
           const std::function<void()>& prepare) {
  // A cancel may have come first.
  if ((task->add(Task::kReleased) & Task::kReleased) != 0) return;
  try {
    for (const TaskRef& need : needs) {
      if (need->error()) return task->fail_outside(dependency_failed(task, need));
    }
    prepare();
    task->start();
  } catch (...) {
    task->fail_outside(std::current_exception());
  }
}

}  // namespace

void start_after(const TaskRef& task, std::vector<TaskRef> needs, std::function<void()> prepare) {
  struct Waiting {
    TaskRef task;
    std::vector<TaskRef> needs;
    std::function<void()> prepare;
    std::atomic<std::size_t> left{1};

    static void count_down(const std::shared_ptr<Waiting>& waiting) {
      if (waiting->left.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
      post_continuation([waiting] { begin(waiting->task, waiting->needs, waiting->prepare); });
    }
  };
  task->add(Task::kDeferred);
  auto waiting = std::make_shared<Waiting>();
  waiting->task = task;
  waiting->needs = std::move(needs);
  waiting->prepare = std::move(prepare);
  for (const TaskRef& need : waiting->needs) {
    waiting->left.fetch_add(1, std::memory_order_relaxed);
    need->when_done([waiting] { Waiting::count_down(waiting); });
  }
  // All were ready: then it begins here, as any other task.
  if (waiting->left.fetch_sub(1, std::memory_order_acq_rel) == 1)
    begin(waiting->task, waiting->needs, waiting->prepare);
}

}  // namespace mutirao::exec::internal
