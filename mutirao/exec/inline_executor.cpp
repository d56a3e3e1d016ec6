#include "mutirao/exec/inline_executor.hpp"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <unistd.h>

#include "mutirao/exec/internal/inline_backend.hpp"
#include "mutirao/exec/internal/trace_log.hpp"

namespace mutirao::exec {
namespace internal {
namespace {

class InlineBackend final : public Backend {
 public:
  InlineBackend() : Backend(false, InFork::kUsable) {}
  void start(const TaskRef& task) override {
    if (closed_.load(std::memory_order_acquire))
      throw ExecutorClosed("this executor was shut down and takes no more tasks");
    const TimePoint begin = TimePoint::clock::now();
    task->set_worker_pid(::getpid());
    task->claim();
    running_.fetch_add(1, std::memory_order_relaxed);
    task->run();
    running_.fetch_sub(1, std::memory_order_relaxed);
    done_.fetch_add(1, std::memory_order_relaxed);
    if (task->error()) failed_.fetch_add(1, std::memory_order_relaxed);
    if (tracing())
      trace_attempt(*task, begin, TimePoint::clock::now(), ::gettid(),
                    task->error() ? "failed" : "ok");
  }
  bool cancel_queued(Task&) override { return false; }
  bool cancel(Task& task) override {
    if (!task.done()) stop_sources().request(task);
    return false;
  }
  void shut_down(Shutdown how) override { close(how); }
  void close(Shutdown how) override {
    closed_.store(true, std::memory_order_release);
    if (how == Shutdown::kKill) stop_sources().request_all();
  }
  ExecutorStats stats() const override {
    return {.workers = 1,
            .running = running_.load(),
            .done = done_.load(),
            .failed = failed_.load(),
            .workers_started = 1};
  }
  std::size_t worker_count() const noexcept override { return 1; }

 private:
  std::atomic<bool> closed_{false};
  std::atomic<std::size_t> running_{0};
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> failed_{0};
};

}  // namespace

std::shared_ptr<Backend> make_inline_backend() { return std::make_shared<InlineBackend>(); }

bool inline_is_forced() {
  const char* chosen = std::getenv("MUTIRAO_EXECUTOR");
  return chosen != nullptr && std::string_view(chosen) == "inline";
}

}  // namespace internal

InlineExecutor::InlineExecutor() : Executor(internal::make_inline_backend()) {}

InlineExecutor::~InlineExecutor() = default;

}  // namespace mutirao::exec
