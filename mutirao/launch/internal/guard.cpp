#include "mutirao/launch/internal/guard.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <span>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/process.hpp"

namespace mutirao::launch::internal {
namespace {

using Wait = core::LocalSocket::Wait;

/// Everything that the guard and the ranks need, laid out before the fork.
struct Plan {
  struct Rank {
    std::vector<char*> environment;
    std::vector<unsigned char> cores;  // a cpu_set_t of any size; empty: not pinned
    pid_t process = 0;                 // 0: not running
  };
  std::string program;
  std::vector<char*> arguments;
  std::vector<Rank> ranks;
};

std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<unsigned char> core_set(const std::vector<int>& cores) {
  if (cores.empty()) return {};
  const auto most = static_cast<std::size_t>(cores.back()) + 1;
  std::vector<unsigned char> bytes(CPU_ALLOC_SIZE(most));
  for (const int core : cores) {
    CPU_SET_S(static_cast<std::size_t>(core), bytes.size(),
              reinterpret_cast<cpu_set_t*>(bytes.data()));
  }
  return bytes;
}

void write_all(int fd, const char* text) noexcept {
  for (std::size_t left = std::strlen(text); left > 0;) {
    const ssize_t count = ::write(fd, text, left);
    if (count <= 0) return;
    text += count;
    left -= static_cast<std::size_t>(count);
  }
}

/// From here on, only calls that a fork of a program with threads may make.
class GuardProcess {
 public:
  GuardProcess(Plan& plan, const core::LocalSocket& socket) : plan_(plan), socket_(socket) {}

  [[noreturn]] void run() {
    ::setsid();
    ::prctl(PR_SET_NAME, "mutirao-guard");
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    const int kept[] = {socket_.get()};
    core::close_all_except(kept);
    core::reset_signals();
    ::signal(SIGPIPE, SIG_IGN);
    sigset_t ends;
    ::sigemptyset(&ends);
    ::sigaddset(&ends, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &ends, nullptr);
    const int ended = ::signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    if (ended < 0) ::_exit(1);
    for (std::size_t rank = 0; rank < plan_.ranks.size() && !killing_; ++rank) start(rank);
    while (running_ > 0 && !killing_) {
      pollfd both[] = {{socket_.get(), POLLIN, 0}, {ended, POLLIN, 0}};
      if (::poll(both, 2, -1) < 0 && errno != EINTR) break;
      if (both[0].revents != 0) obey();
      signalfd_siginfo ignored;
      while (::read(ended, &ignored, sizeof ignored) > 0) {
      }
      reap(WNOHANG);
    }
    kill_the_rest();
    ::_exit(0);
  }

 private:
  void say(const GuardMessage& message, std::span<const int> fds) {
    try {
      if (socket_.send(std::as_bytes(std::span(&message, 1)), fds, Wait::kYes) !=
          core::LocalSocket::Sent::kYes)
        killing_ = true;
    } catch (...) {
      killing_ = true;
    }
  }

  void start(std::size_t rank) {
    int out[2] = {-1, -1};
    int err[2] = {-1, -1};
    GuardMessage message{.kind = GuardMessage::Kind::kStarted,
                         .rank = static_cast<std::int32_t>(rank)};
    pid_t process = -1;
    if (::pipe2(out, O_CLOEXEC) == 0 && ::pipe2(err, O_CLOEXEC) == 0) {
      const pid_t guard = ::getpid();
      process = ::fork();
      if (process == 0) become(rank, guard, out[1], err[1]);
    }
    if (process < 0) {
      message.kind = GuardMessage::Kind::kRefused;
      message.status = errno;
      say(message, {});
      killing_ = true;
    } else {
      ::setpgid(process, process);  // also done by the rank: whoever comes first
      plan_.ranks[rank].process = process;
      ++running_;
      message.process = process;
      const int fds[] = {out[0], err[0]};
      say(message, fds);
    }
    for (const int fd : {out[0], out[1], err[0], err[1]}) {
      if (fd >= 0) ::close(fd);
    }
  }

  [[noreturn]] void become(std::size_t rank, pid_t guard, int out, int err) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != guard) ::_exit(127);
    const int nothing = ::open("/dev/null", O_RDONLY);
    ::dup2(nothing, 0);
    ::dup2(out, 1);
    ::dup2(err, 2);
    if (nothing > 2) ::close(nothing);
    const Plan::Rank& mine = plan_.ranks[rank];
    // Refused only for cores that have gone since: then the rank is not pinned.
    if (!mine.cores.empty())
      ::sched_setaffinity(0, mine.cores.size(),
                          reinterpret_cast<const cpu_set_t*>(mine.cores.data()));
    core::reset_signals();
    ::execve(plan_.program.c_str(), plan_.arguments.data(), mine.environment.data());
    const int error = errno;
    write_all(2, "mutirao launch: cannot execute ");
    write_all(2, plan_.program.c_str());
    write_all(2, ": ");
    write_all(2, ::strerrordesc_np(error));
    write_all(2, "\n");
    ::_exit(error == ENOENT ? 127 : 126);
  }

  void obey() {
    std::array<std::byte, 8> order;
    std::optional<core::LocalSocket::Received> received;
    try {
      received = socket_.receive(order, Wait::kNo);
    } catch (...) {
      killing_ = true;
      return;
    }
    if (!received) return;
    if (received->bytes == 0 || order[0] == static_cast<std::byte>(GuardOrder::kKill)) {
      killing_ = true;
      return;
    }
    for (const Plan::Rank& rank : plan_.ranks) {
      if (rank.process != 0) ::kill(-rank.process, SIGTERM);
    }
  }

  /// False when there is nothing to wait for.
  bool reap(int flags) {
    for (;;) {
      int status = 0;
      const pid_t process = ::waitpid(-1, &status, flags);
      if (process < 0 && errno == EINTR) continue;
      if (process <= 0) return process == 0;
      for (std::size_t rank = 0; rank < plan_.ranks.size(); ++rank) {
        if (plan_.ranks[rank].process != process) continue;
        plan_.ranks[rank].process = 0;
        --running_;
        say({.kind = GuardMessage::Kind::kEnded,
             .rank = static_cast<std::int32_t>(rank),
             .process = process,
             .status = status},
            {});
      }
      if (flags == 0) return true;
    }
  }

  /// Kills until nothing is left: the children of what dies become ours.
  void kill_the_rest() {
    do {
      for (const Plan::Rank& rank : plan_.ranks) {
        if (rank.process != 0) ::kill(-rank.process, SIGKILL);
      }
      kill_children();
    } while (reap(0));
  }

  static void kill_children() {
    const int fd = ::open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    char text[4096];
    pid_t process = 0;
    for (ssize_t count = 0; (count = ::read(fd, text, sizeof text)) > 0;) {
      for (ssize_t i = 0; i < count; ++i) {
        if (text[i] >= '0' && text[i] <= '9') {
          process = process * 10 + (text[i] - '0');
        } else if (process != 0) {
          ::kill(process, SIGKILL);
          process = 0;
        }
      }
    }
    ::close(fd);
  }

  Plan& plan_;
  const core::LocalSocket& socket_;
  std::size_t running_ = 0;
  bool killing_ = false;
};

}  // namespace

Guard::Guard(const std::string& program, const std::vector<std::string>& command,
             const std::vector<RankStart>& ranks) {
  Plan plan{.program = program, .arguments = pointers_to(command)};
  for (const RankStart& rank : ranks)
    plan.ranks.push_back(
        {.environment = pointers_to(rank.environment), .cores = core_set(rank.cores)});
  auto [mine, theirs] = core::LocalSocket::pair();
  process_ = ::fork();
  if (process_ < 0) throw core::IoError("cannot start a process", errno);
  if (process_ == 0) {
    mine.close();
    GuardProcess(plan, theirs).run();
  }
  socket_ = std::move(mine);
}

Guard::~Guard() {
  socket_.close();
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
}

void Guard::order(GuardOrder order) const {
  try {
    socket_.send(std::as_bytes(std::span(&order, 1)), {}, Wait::kYes);
  } catch (const core::IoError&) {
    // It is gone, and with it the ranks: the end of the socket says so.
  }
}

}  // namespace mutirao::launch::internal
