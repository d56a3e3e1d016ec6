#include "mutirao/exec/internal/zygote.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
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
#include "mutirao/exec/internal/parallel_libraries.hpp"
#include "mutirao/exec/internal/spawn_protocol.hpp"
#include "mutirao/exec/internal/worker_main.hpp"

namespace mutirao::exec::internal {
namespace {

constexpr int kDeepestNesting = 4;

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
};

class Zygote {
 public:
  Zygote(core::LocalSocket program, pid_t program_process) {
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
    while (::poll(entries.data(), entries.size(), -1) < 0 && errno == EINTR) {
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
      if (child->parent) tell(*child->parent, event, {});
      children_.erase(child);
    }
  }

  void serve(Client& client) {
    for (;;) {
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
    const pid_t zygote = ::getpid();
    const pid_t process = ::fork();
    if (process < 0) return refuse(client, request, errno);
    if (process == 0) become_worker(zygote, request, fds, theirs);
    // Both sides set the group, so that it exists whoever runs first.
    ::setpgid(process, process);
    core::UniqueFd pidfd = core::open_pidfd(process);
    clients_.push_back({std::move(ours), client.depth + 1, {}});
    children_.push_back({process, pidfd.duplicate(), request.token, &client, &clients_.back()});
    SpawnEvent event{};
    event.kind = SpawnEvent::kStarted;
    event.process = process;
    event.token = request.token;
    tell(client, event, std::move(pidfd));
  } catch (const core::IoError& error) {
    refuse(client, request, error.error_number());
  }

  [[noreturn]] static void become_worker(pid_t zygote, const SpawnRequest& request,
                                         std::vector<core::UniqueFd>& fds,
                                         core::LocalSocket& socket) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != zygote) ::_exit(1);
    ::prctl(PR_SET_NAME, "mutirao-worker");
    core::reset_signals();
    // Ctrl-C is for the program, which then decides about its workers.
    ::signal(SIGINT, SIG_IGN);
    ::dup2(fds[3].get(), STDERR_FILENO);
    fds[3].reset();
    const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nothing >= 0) ::dup2(nothing, STDIN_FILENO);
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
    ::_exit(0);
  }

  core::UniqueFd program_pidfd_;
  Client* program_ = nullptr;
  std::list<Client> clients_;
  std::list<Child> children_;
  std::vector<Client*> readable_clients_;
  std::vector<pid_t> ended_;
  bool program_gone_ = false;
};

}  // namespace

void run_zygote(core::LocalSocket program, pid_t program_process) {
  // A group of its own: what the terminal sends to the program's group is not for the zygote.
  ::setpgid(0, 0);
  core::reset_signals();
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::signal(signal, SIG_IGN);
  ::prctl(PR_SET_NAME, "mutirao-zygote");
  default_to_one_thread();
  try {
    const int kept[] = {program.get()};
    core::close_all_except(kept);
    Zygote(std::move(program), program_process).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mutirao: the zygote ends: %s\n", error.what());
    ::_exit(1);
  }
}

}  // namespace mutirao::exec::internal
