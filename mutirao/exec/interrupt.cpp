#include "mutirao/exec/interrupt.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <thread>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/unique_fd.hpp"
#include "mutirao/exec/internal/backend.hpp"
#include "mutirao/exec/internal/task.hpp"

namespace mutirao::exec {
namespace {

// What the handler may touch: a descriptor to write to. Values are added up until they are read.
std::atomic<int> wake_fd{-1};
constexpr std::uint64_t kSignal = 1;
constexpr std::uint64_t kEnd = std::uint64_t{1} << 32;

void add(int fd, std::uint64_t value) noexcept {
  const int saved = errno;
  while (::write(fd, &value, sizeof value) < 0 && errno == EINTR) {
  }
  errno = saved;
}

void on_signal(int) {
  if (const int fd = wake_fd.load(); fd >= 0) add(fd, kSignal);
}

}  // namespace

class CancelOnInterrupt::Listener {
 public:
  explicit Listener(std::shared_ptr<internal::Backend> backend) : backend_(std::move(backend)) {
    wake_ = core::UniqueFd(::eventfd(0, EFD_CLOEXEC));
    if (!wake_) {
      throw core::IoError("cannot wait for Ctrl-C", errno,
                          "raise the limit on open files (ulimit -n)");
    }
    int none = -1;
    if (!wake_fd.compare_exchange_strong(none, wake_.get()))
      throw core::InvalidArgument("this program already has a CancelOnInterrupt");
    thread_ = std::thread([this] { listen(); });
    struct sigaction action {};
    action.sa_handler = &on_signal;
    action.sa_flags = SA_RESTART;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGINT, &action, &former_interrupt_);
    ::sigaction(SIGTERM, &action, &former_terminate_);
  }

  ~Listener() {
    ::sigaction(SIGINT, &former_interrupt_, nullptr);
    ::sigaction(SIGTERM, &former_terminate_, nullptr);
    add(wake_.get(), kEnd);
    thread_.join();
    wake_fd.store(-1);
  }

  int count() const noexcept { return count_.load(); }

 private:
  void listen() {
    for (;;) {
      std::uint64_t value = 0;
      if (::read(wake_.get(), &value, sizeof value) != sizeof value) continue;
      const auto signals = static_cast<int>(value % kEnd);
      const int before = count_.fetch_add(signals);
      if (before == 0 && signals > 0) {
        backend_->close(Shutdown::kCancel);
        backend_->ask_running_to_stop();
      }
      if (before < 2 && before + signals >= 2) backend_->close(Shutdown::kKill);
      if (value >= kEnd) return;
    }
  }

  const std::shared_ptr<internal::Backend> backend_;
  core::UniqueFd wake_;
  std::atomic<int> count_{0};
  std::thread thread_;
  struct sigaction former_interrupt_ {};
  struct sigaction former_terminate_ {};
};

CancelOnInterrupt::CancelOnInterrupt(Executor& executor)
    : listener_(std::make_unique<Listener>(executor.backend_)) {}

CancelOnInterrupt::~CancelOnInterrupt() = default;

int CancelOnInterrupt::count() const noexcept { return listener_->count(); }

}  // namespace mutirao::exec
