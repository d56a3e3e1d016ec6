#include "mutirao/exec/inline_executor.hpp"

#include <atomic>
#include <cstdlib>
#include <string_view>

#include <unistd.h>

#include "mutirao/exec/internal/inline_backend.hpp"

namespace mutirao::exec {
namespace internal {
namespace {

class InlineBackend final : public Backend {
 public:
  InlineBackend() : Backend(false) {}
  void start(const TaskRef& task) override {
    if (closed_.load(std::memory_order_acquire))
      throw ExecutorClosed("this executor was shut down and takes no more tasks");
    task->set_worker_pid(::getpid());
    task->claim();
    task->run();
  }
  bool cancel_queued(Task&) override { return false; }
  bool cancel(Task& task) override {
    if (!task.done()) stop_sources().request(task);
    return false;
  }
  void shut_down(Shutdown how) override {
    closed_.store(true, std::memory_order_release);
    if (how == Shutdown::kKill) stop_sources().request_all();
  }
  std::size_t worker_count() const noexcept override { return 1; }

 private:
  std::atomic<bool> closed_{false};
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
