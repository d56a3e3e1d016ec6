#include "mutirao/exec/internal/zygote.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/process.hpp"
#include "mutirao/exec/internal/core_words.hpp"
#include "mutirao/exec/internal/executed_process.hpp"
#include "mutirao/exec/internal/function_id.hpp"
#include "mutirao/exec/internal/parallel_libraries.hpp"
#include "mutirao/exec/internal/spawn_protocol.hpp"
#include "mutirao/exec/internal/worker_main.hpp"

namespace mutirao::exec::internal {
namespace {

constexpr int kDeepestNesting = 4;

using Clock = std::chrono::steady_clock;

/// Somebody who may ask for workers: the program or a worker.
struct Client {
  core::LocalSocket socket;
  int depth = 0;
  // Events that found the socket full; a client that does not read must not hold up the others.
  std::deque<std::pair<SpawnEvent, core::UniqueFd>> backlog;
};

struct Child {
  pid_t process = 0;
  core::UniqueFd pidfd;
  std::uint64_t token = 0;
  Client* parent = nullptr;  // null once it is gone
  Client* self = nullptr;    // null once its socket is closed
  CoreWords::Participant participant;
  bool arrived = true;  // at the Runtime
  Clock::time_point arrive_by = Clock::time_point::max();
};

class Zygote {
 public:
  /// With `builds` of the program workers are executed, else forked.
  Zygote(core::LocalSocket program, pid_t program_process, std::optional<ModuleBuilds> builds)
      : builds_(builds) {
    program_pidfd_ = core::open_pidfd(program_process);
    clients_.push_back({std::move(program), 0, {}});
    program_ = &clients_.front();
  }

  [[noreturn]] void run() {
    for (;;) {
      wait();
      // Deaths first: their events must not overtake, nor be overtaken by, requests of the dead.
      reap();
      for (Client* client : readable_clients_) serve(*client);
      for (Client& client : clients_) flush(client);
      give_up_on_late_workers();
      forget_closed_clients();
      if (program_gone_) end();
    }
  }

 private:
  void wait() {
    std::vector<pollfd> entries;
    entries.push_back({program_pidfd_.get(), POLLIN, 0});
    for (const Client& client : clients_) {
      const short output = client.backlog.empty() ? 0 : POLLOUT;
      entries.push_back({client.socket.get(), static_cast<short>(POLLIN | output), 0});
    }
    for (const Child& child : children_) entries.push_back({child.pidfd.get(), POLLIN, 0});
    while (::poll(entries.data(), entries.size(), patience()) < 0 && errno == EINTR) {
    }
    if (entries[0].revents != 0) program_gone_ = true;
    readable_clients_.clear();
    std::size_t i = 1;
    for (Client& client : clients_) {
      if (entries[i++].revents & (POLLIN | POLLHUP | POLLERR)) readable_clients_.push_back(&client);
    }
    for (Child& child : children_) {
      if (entries[i++].revents != 0) ended_.push_back(child.process);
    }
  }

  void reap() {
    for (const pid_t process : std::exchange(ended_, {})) {
      const auto child = std::find_if(children_.begin(), children_.end(),
                                      [&](const Child& each) { return each.process == process; });
      // A worker that finds another build says so and ends at once: its word comes first.
      if (!child->arrived && child->self != nullptr) serve(*child->self);
      // What it left running in its own process group goes with it. Before it is reaped its number
      // cannot mean another group.
      ::kill(-process, SIGKILL);
      int status = 0;
      rusage usage{};
      if (::wait4(process, &status, 0, &usage) != process) continue;
      SpawnEvent event{};
      event.kind = SpawnEvent::kEnded;
      event.process = process;
      event.token = child->token;
      if (WIFSIGNALED(status)) event.signal = WTERMSIG(status);
      if (WIFEXITED(status)) event.exit_code = WEXITSTATUS(status);
      event.peak_rss_kib = usage.ru_maxrss;
      if (child->parent != nullptr) {
        tell(*child->parent, event, {});
      } else {
        // Whoever would have swept up after it died before.
        core_words().sweep(child->participant);
      }
      children_.erase(child);
      end_orphans();
    }
  }

  /// What dead workers left running is now the zygote's: it ends, also what detached itself.
  void end_orphans() const {
    for (bool found = true; found;) {
      found = false;
      for (const pid_t process : core::children_of_this_process()) {
        if (std::any_of(children_.begin(), children_.end(),
                        [&](const Child& each) { return each.process == process; }))
          continue;
        ::kill(process, SIGKILL);
        // Its own children come to the zygote when it is gone.
        if (::waitpid(process, nullptr, 0) == process) found = true;
      }
    }
  }

  void serve(Client& client) {
    while (client.socket) {
      SpawnRequest request{};
      std::optional<core::LocalSocket::Received> received;
      try {
        received = client.socket.receive(std::as_writable_bytes(std::span(&request, 1)),
                                         core::LocalSocket::Wait::kNo);
      } catch (const core::Error&) {
        // The descriptors did not fit; which worker was meant is still known.
        refuse(client, request, EMFILE);
        continue;
      }
      if (!received) return;
      if (received->bytes == 0) {
        client.socket.close();
        return;
      }
      if (received->bytes == sizeof(Hello)) {
        Hello hello{};
        std::memcpy(&hello, &request, sizeof hello);
        greet(client, hello);
        continue;
      }
      if (received->bytes != sizeof request || received->fds.size() != SpawnRequest::kFds) continue;
      spawn(client, request, std::move(received->fds));
    }
  }

  void refuse(Client& client, const SpawnRequest& request, int error) {
    SpawnEvent event{};
    event.kind = SpawnEvent::kFailed;
    event.token = request.token;
    event.error = error;
    tell(client, event, {});
  }

  void spawn(Client& client, const SpawnRequest& request, std::vector<core::UniqueFd> fds) try {
    if (client.depth >= kDeepestNesting) return refuse(client, request, ELOOP);
    auto [ours, theirs] = core::LocalSocket::pair();
    if (builds_) send_seed(ours, request, fds);
    std::optional<SelfExecution> execution;
    if (builds_) execution.emplace(ExecutedRole::kWorker, theirs.get());
    const pid_t zygote = ::getpid();
    const pid_t process = ::fork();
    if (process < 0) return refuse(client, request, errno);
    if (process == 0) {
      begin_worker(zygote, fds[3].get());
      if (execution) execute_worker(*execution);
      become_worker(request, fds, theirs);
    }
    // Both sides set the group, so that it exists whoever runs first.
    ::setpgid(process, process);
    core::UniqueFd pidfd = core::open_pidfd(process);
    clients_.push_back({std::move(ours), client.depth + 1, {}});
    Child child{process, pidfd.duplicate(), request.token,
                &client, &clients_.back(),  request.participant};
    if (builds_) {
      child.arrived = false;
      if (request.arrive_within > 0)
        child.arrive_by = Clock::now() + std::chrono::nanoseconds(request.arrive_within);
    }
    children_.push_back(std::move(child));
    SpawnEvent event{};
    event.kind = SpawnEvent::kStarted;
    event.process = process;
    event.token = request.token;
    tell(client, event, std::move(pidfd));
  } catch (const core::IoError& error) {
    refuse(client, request, error.error_number());
  }

  void send_seed(const core::LocalSocket& socket, const SpawnRequest& request,
                 const std::vector<core::UniqueFd>& fds) const {
    const ExecutedWorkerSeed seed{request.participant, *builds_};
    std::vector<int> sent{fds[0].get(), fds[1].get(), fds[2].get(), core_words_file()};
    if (::fcntl(STDOUT_FILENO, F_GETFD) >= 0) sent.push_back(STDOUT_FILENO);
    socket.send(std::as_bytes(std::span(&seed, 1)), sent, core::LocalSocket::Wait::kNo);
  }

  /// What an executed worker says when it has come to the Runtime.
  void greet(const Client& client, const Hello& hello) {
    for (Child& child : children_) {
      if (child.self != &client || child.arrived) continue;
      child.arrived = true;
      if (hello.build != Hello::kSame) give_up_on(child, ENOEXEC);
    }
  }

  void give_up_on_late_workers() {
    const Clock::time_point now = Clock::now();
    for (Child& child : children_) {
      if (!child.arrived && child.arrive_by <= now) give_up_on(child, ETIMEDOUT);
    }
  }

  void give_up_on(Child& child, int error) {
    child.arrived = true;
    core::send_signal(child.pidfd, SIGKILL);
    if (child.parent != nullptr) refuse(*child.parent, {child.token, {}, 0}, error);
  }

  /// Milliseconds until a worker must have arrived; -1: none is awaited.
  int patience() const {
    auto next = Clock::time_point::max();
    for (const Child& child : children_) {
      if (!child.arrived) next = std::min(next, child.arrive_by);
    }
    if (next == Clock::time_point::max()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1 << 30));
  }

  /// In a child that may still hold other threads' locks: system calls only.
  static void begin_worker(pid_t zygote, int standard_error) noexcept {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // What a task leaves running stays below its worker, wherever it went.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (::getppid() != zygote) ::_exit(1);
    ::prctl(PR_SET_NAME, "mutirao-worker");
    core::reset_signals();
    // Ctrl-C is for the program, which then decides about its workers.
    ::signal(SIGINT, SIG_IGN);
    ::dup2(standard_error, STDERR_FILENO);
    const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nothing >= 0) ::dup2(nothing, STDIN_FILENO);
  }

  [[noreturn]] static void execute_worker(SelfExecution& execution) noexcept {
    const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere >= 0) ::dup2(nowhere, STDOUT_FILENO);
    execution.execute();
  }

  [[noreturn]] static void become_worker(const SpawnRequest& request,
                                         std::vector<core::UniqueFd>& fds,
                                         core::LocalSocket& socket) {
    fds[3].reset();
    const int kept[] = {fds[0].get(), fds[1].get(), fds[2].get(), socket.get()};
    core::close_all_except(kept);
    run_worker({.channel = std::move(fds[0]),
                .bell = std::move(fds[1]),
                .socket = core::LocalSocket(std::move(fds[2])),
                .zygote = std::move(socket),
                .participant = request.participant});
  }

  void tell(Client& client, const SpawnEvent& event, core::UniqueFd fd) {
    client.backlog.emplace_back(event, std::move(fd));
    flush(client);
  }

  static void flush(Client& client) {
    while (!client.backlog.empty() && client.socket) {
      const auto& [event, fd] = client.backlog.front();
      const int number = fd.get();
      const auto fds = fd ? std::span<const int>(&number, 1) : std::span<const int>();
      const auto sent = client.socket.send(std::as_bytes(std::span(&event, 1)), fds,
                                           core::LocalSocket::Wait::kNo);
      if (sent == core::LocalSocket::Sent::kFull) return;
      client.backlog.pop_front();
    }
  }

  void forget_closed_clients() {
    for (auto client = clients_.begin(); client != clients_.end();) {
      if (client->socket) {
        ++client;
        continue;
      }
      if (&*client == program_) program_gone_ = true;
      for (Child& child : children_) {
        if (child.self == &*client) child.self = nullptr;
        if (child.parent != &*client) continue;
        child.parent = nullptr;
        core::send_signal(child.pidfd, SIGKILL);
      }
      client = clients_.erase(client);
    }
  }

  [[noreturn]] void end() {
    for (const Child& child : children_) {
      ::kill(-child.process, SIGKILL);
      core::send_signal(child.pidfd, SIGKILL);
    }
    for (const Child& child : children_) ::waitpid(child.process, nullptr, 0);
    children_.clear();
    end_orphans();
    ::_exit(0);
  }

  const std::optional<ModuleBuilds> builds_;
  core::UniqueFd program_pidfd_;
  Client* program_ = nullptr;
  std::list<Client> clients_;
  std::list<Child> children_;
  std::vector<Client*> readable_clients_;
  std::vector<pid_t> ended_;
  bool program_gone_ = false;
};

}  // namespace

namespace {

[[noreturn]] void run_zygote(core::LocalSocket program, pid_t program_process,
                             std::optional<ModuleBuilds> builds, int words) {
  // A group of its own: what the terminal sends to the program's group is not for the zygote.
  ::setpgid(0, 0);
  core::reset_signals();
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::signal(signal, SIG_IGN);
  ::prctl(PR_SET_NAME, "mutirao-zygote");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  default_to_one_thread();
  try {
    const int kept[] = {program.get(), words};
    core::close_all_except(std::span(kept, words >= 0 ? 2 : 1));
    Zygote(std::move(program), program_process, builds).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mutirao: the zygote ends: %s\n", error.what());
    ::_exit(1);
  }
}

}  // namespace

StartedZygote fork_zygote() {
  auto [ours, zygotes] = core::LocalSocket::pair();
  // It and all workers inherit the words of the core budget.
  core_words();
  const pid_t program = ::getpid();
  std::fflush(nullptr);
  const pid_t process = ::fork();
  if (process < 0) throw core::IoError("cannot start the zygote", errno);
  if (process == 0) {
    ours.close();
    run_zygote(std::move(zygotes), program, std::nullopt, -1);
  }
  return {process, std::move(ours)};
}

StartedZygote execute_zygote() {
  auto [ours, zygotes] = core::LocalSocket::pair();
  const ZygoteSeed seed{::getpid(), module_builds()};
  const int words = core_words_file();
  ours.send(std::as_bytes(std::span(&seed, 1)), std::span(&words, 1),
            core::LocalSocket::Wait::kYes);
  SelfExecution execution(ExecutedRole::kZygote, zygotes.get());
  const pid_t process = ::fork();
  if (process < 0) throw core::IoError("cannot start the zygote", errno);
  if (process == 0) execution.execute();
  zygotes.close();
  Hello hello{};
  pollfd answers{ours.get(), POLLIN, 0};
  constexpr int kLongestStart = 60'000;  // milliseconds
  while (::poll(&answers, 1, kLongestStart) < 0 && errno == EINTR) {
  }
  const auto answer =
      ours.receive(std::as_writable_bytes(std::span(&hello, 1)), core::LocalSocket::Wait::kNo);
  if (answer && answer->bytes == sizeof hello && hello.build == Hello::kSame)
    return {process, std::move(ours)};
  ours.close();
  ::kill(process, SIGKILL);
  while (::waitpid(process, nullptr, 0) < 0 && errno == EINTR) {
  }
  throw core::Unsupported("this program cannot be executed anew to start workers",
                          "start it again if its files have changed, or make the Runtime before "
                          "any thread");
}

void run_executed_zygote(core::LocalSocket program) {
  ZygoteSeed seed{};
  auto received =
      program.receive(std::as_writable_bytes(std::span(&seed, 1)), core::LocalSocket::Wait::kYes);
  if (!received || received->bytes != sizeof seed || received->fds.size() != 1) ::_exit(1);
  adopt_core_words(std::move(received->fds[0]));
  const Hello hello{module_of_another_build(seed.builds).empty() ? Hello::kSame : Hello::kOther};
  program.send(std::as_bytes(std::span(&hello, 1)), {}, core::LocalSocket::Wait::kYes);
  run_zygote(std::move(program), seed.program, seed.builds, core_words_file());
}

}  // namespace mutirao::exec::internal
