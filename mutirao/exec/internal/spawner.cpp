#include "mutirao/exec/internal/spawner.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/signals_blocked.hpp"
#include "mutirao/exec/internal/spawn_protocol.hpp"

namespace mutirao::exec::internal {
namespace {

constexpr std::size_t kStderrTail = 4096;

std::unique_ptr<Spawner>& instance() {
  static std::unique_ptr<Spawner>& spawner = *new std::unique_ptr<Spawner>;
  return spawner;
}

void write_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(fd, data, size);
    if (written < 0 && errno == EINTR) continue;
    // Nobody reads this program's stderr; the tail is kept all the same.
    if (written <= 0) return;
    data += written;
    size -= static_cast<std::size_t>(written);
  }
}

}  // namespace

void Spawner::use(StartedZygote zygote) {
  instance() = std::make_unique<Spawner>(std::move(zygote));
}

void Spawner::use(core::LocalSocket zygote) { use(StartedZygote{0, std::move(zygote)}); }

bool Spawner::exists() noexcept { return instance() != nullptr; }

Spawner& Spawner::current() {
  if (instance()) {
    if (instance()->owner_ == ::getpid()) return *instance();
    throw core::Unsupported("the Runtime belongs to the process that this one was forked from",
                            "make executors in the process that made the Runtime");
  }
  throw core::Unsupported("a ProcessExecutor needs a Runtime, and this program has none",
                          "make `mutirao::exec::Runtime runtime(argc, argv);` the first line of "
                          "main");
}

void Spawner::shut_down() { instance().reset(); }

Spawner::Spawner(StartedZygote zygote)
    : zygote_(std::move(zygote.socket)),
      zygote_process_(zygote.process),
      may_replace_(zygote.process != 0) {}

Spawner::~Spawner() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    while (::write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
    thread_.join();
  }
  // Without its socket the zygote, or this worker's part of it, ends the workers. What was forked
  // from this process has a copy of it.
  zygote_.hang_up();
  zygote_is_gone();
  bury_zygote();
}

void Spawner::spawn(std::uint64_t token, const Descriptors& descriptors,
                    CoreWords::Participant participant, std::chrono::nanoseconds arrive_within,
                    std::weak_ptr<SpawnListener> listener) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) {
    throw core::IoError("cannot create a pipe for a worker", errno,
                        "raise the limit on open files (ulimit -n)");
  }
  core::UniqueFd read_end(pipe[0]);
  const core::UniqueFd write_end(pipe[1]);
  ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);

  const std::lock_guard lock(mutex_);
  if (!thread_.joinable()) {
    epoll_ = core::UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
    wake_ = core::UniqueFd(::eventfd(0, EFD_CLOEXEC));
    if (!epoll_ || !wake_)
      throw core::IoError("cannot watch workers", errno,
                          "raise the limit on open files (ulimit -n)");
    watch(zygote_.get(), kZygote);
    watch(wake_.get(), kWake);
    const core::SignalsBlocked blocked;
    thread_ = std::thread([this] { run(); });
  }
  if (gone_) replace_zygote();
  watch(read_end.get(), token);
  const SpawnRequest request{token, participant, arrive_within.count()};
  const int fds[SpawnRequest::kFds] = {descriptors.channel, descriptors.bell, descriptors.socket,
                                       write_end.get()};
  entries_[token] = {std::move(listener), std::move(read_end), {}};
  const auto sent =
      zygote_.send(std::as_bytes(std::span(&request, 1)), fds, core::LocalSocket::Wait::kYes);
  if (sent != core::LocalSocket::Sent::kYes) {
    entries_.erase(token);
    throw core::IoError("cannot start a worker: the zygote is gone", ECHILD);
  }
}

void Spawner::watch(int fd, std::uint64_t data) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = data;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
    throw core::IoError("cannot watch a worker", errno);
}

void Spawner::run() {
  ::pthread_setname_np(::pthread_self(), "mutirao-spawner");
  std::array<epoll_event, 32> events;
  for (;;) {
    const int count =
        ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    bool zygote = false;
    for (int i = 0; i < count; ++i) {
      const std::uint64_t data = events[static_cast<std::size_t>(i)].data.u64;
      if (data == kWake) return;
      if (data == kZygote) {
        zygote = true;
        continue;
      }
      const std::lock_guard lock(mutex_);
      const auto entry = entries_.find(data);
      if (entry != entries_.end()) read_stderr(entry->second);
    }
    if (zygote) read_events();
  }
}

void Spawner::read_stderr(Entry& entry) {
  char buffer[4096];
  while (entry.stderr_pipe) {
    const ssize_t got = ::read(entry.stderr_pipe.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return;
    if (got == 0) {
      entry.stderr_pipe.reset();
      return;
    }
    write_all(STDERR_FILENO, buffer, static_cast<std::size_t>(got));
    entry.stderr_tail.append(buffer, static_cast<std::size_t>(got));
    if (entry.stderr_tail.size() > kStderrTail)
      entry.stderr_tail.erase(0, entry.stderr_tail.size() - kStderrTail);
  }
}

void Spawner::read_events() {
  for (;;) {
    SpawnEvent event{};
    std::optional<core::LocalSocket::Received> received;
    try {
      received = zygote_.receive(std::as_writable_bytes(std::span(&event, 1)),
                                 core::LocalSocket::Wait::kNo);
    } catch (const core::Error&) {
      // No room for the pidfd: the worker runs, but cannot be signalled. Its end is still heard.
      received.emplace();
      received->bytes = sizeof event;
    }
    if (!received) return;
    if (received->bytes == 0) {
      // Its workers die with it, and nobody else sweeps up after those that are not ours.
      bury_zygote();
      if (may_replace_) core_words().sweep_others(this_participant());
      return zygote_is_gone();
    }
    const std::lock_guard telling(telling_);
    std::shared_ptr<SpawnListener> listener;
    std::string tail;
    {
      const std::lock_guard lock(mutex_);
      const auto entry = entries_.find(event.token);
      if (entry == entries_.end()) continue;
      listener = entry->second.listener.lock();
      if (event.kind != SpawnEvent::kStarted) {
        // What it wrote before it ended is in the pipe by now.
        read_stderr(entry->second);
        tail = std::move(entry->second.stderr_tail);
        entries_.erase(entry);
      }
    }
    if (!listener) continue;
    switch (event.kind) {
      case SpawnEvent::kStarted:
        listener->on_started(
            event.token, event.process,
            received->fds.empty() ? core::UniqueFd() : std::move(received->fds[0]));
        break;
      case SpawnEvent::kFailed:
        listener->on_failed(event.token, event.error);
        break;
      case SpawnEvent::kEnded:
        listener->on_ended(event.token,
                           {event.signal, event.exit_code, event.peak_rss_kib, std::move(tail)});
        break;
    }
  }
}

void Spawner::bury_zygote() noexcept {
  if (zygote_process_ == 0) return;
  while (::waitpid(zygote_process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  zygote_process_ = 0;
}

void Spawner::replace_zygote() {
  if (!may_replace_) throw core::IoError("cannot start a worker: the zygote is gone", ECHILD);
  StartedZygote fresh = execute_zygote();
  zygote_ = std::move(fresh.socket);
  zygote_process_ = fresh.process;
  watch(zygote_.get(), kZygote);
  gone_ = false;
}

void Spawner::zygote_is_gone() {
  const std::lock_guard telling(telling_);
  // Its workers die with it, by the signal that each asked the kernel for.
  std::unordered_map<std::uint64_t, Entry> orphans;
  {
    const std::lock_guard lock(mutex_);
    gone_ = true;
    if (zygote_) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, zygote_.get(), nullptr);
    orphans.swap(entries_);
  }
  for (auto& [token, entry] : orphans) {
    read_stderr(entry);
    if (const auto listener = entry.listener.lock())
      listener->on_ended(token, {SIGKILL, 0, 0, std::move(entry.stderr_tail)});
  }
}

}  // namespace mutirao::exec::internal
