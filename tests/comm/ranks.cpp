#include "ranks.hpp"

#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mutirao/core/error.hpp"

namespace mutirao::comm {
namespace {

long world_number = 0;
int word_fd = -1;
int release_fd = -1;

std::string said_by(const Ranks::Body& body, int rank) {
  try {
    return body(rank);
  } catch (const std::exception& error) {
    return "error: " + core::describe(error);
  }
}

}  // namespace

World test_world(int rank, int size) {
  World world;
  world.rank = rank;
  world.size = size;
  world.local_rank = rank;
  world.local_size = size;
  world.source = "test";
  world.run_id = "test " + std::to_string(world_number);
  return world;
}

void next_test_world() {
  world_number = world_number == 0 ? ::getpid() * 1'000'000L : world_number + 1;
}

void tell() {
  const char byte = 1;
  if (::write(word_fd, &byte, 1) != 1) std::abort();
}

Ranks::Ranks(int count, const Body& body) {
  next_test_world();
  for (int rank = 0; rank < count; ++rank) {
    int words[2];
    int releases[2];
    int results[2];
    for (int* const pipe : {words, releases, results}) {
      if (::pipe2(pipe, O_CLOEXEC) != 0) std::abort();
    }
    const pid_t process = ::fork();
    if (process == 0) {
      word_fd = words[1];
      release_fd = releases[0];
      const std::string said = said_by(body, rank);
      std::size_t written = 0;
      while (written < said.size()) {
        const ssize_t bytes = ::write(results[1], said.data() + written, said.size() - written);
        if (bytes <= 0) break;
        written += static_cast<std::size_t>(bytes);
      }
      ::_exit(0);
    }
    for (const int end : {words[1], releases[0], results[1]}) ::close(end);
    processes_.push_back(process);
    words_.push_back(words[0]);
    releases_.push_back(releases[1]);
    results_.push_back(results[0]);
  }
}

Ranks::~Ranks() {
  if (!processes_.empty()) join(std::chrono::seconds(0));
}

bool Ranks::wait_for_word(int rank) {
  char byte;
  return ::read(words_[static_cast<std::size_t>(rank)], &byte, 1) == 1;
}

void Ranks::release(int rank) {
  const char byte = 1;
  if (::write(releases_[static_cast<std::size_t>(rank)], &byte, 1) != 1) std::abort();
}

void wait_for_release() {
  char byte;
  if (::read(release_fd, &byte, 1) != 1) std::abort();
}

std::vector<Outcome> Ranks::join(std::chrono::seconds at_most) {
  using Milliseconds = std::chrono::milliseconds;
  const auto now = [] { return std::chrono::steady_clock::now(); };
  const auto deadline = now() + at_most;
  std::vector<Outcome> outcomes(processes_.size());
  std::vector<pollfd> open;
  for (const int fd : results_) open.push_back({fd, POLLIN, 0});
  std::size_t ended = 0;
  while (ended < open.size()) {
    const auto left = std::chrono::duration_cast<Milliseconds>(deadline - now());
    if (left.count() <= 0) break;
    ::poll(open.data(), open.size(), static_cast<int>(left.count()));
    for (std::size_t i = 0; i < open.size(); ++i) {
      if (open[i].fd < 0 || open[i].revents == 0) continue;
      char bytes[4096];
      const ssize_t got = ::read(open[i].fd, bytes, sizeof bytes);
      if (got > 0) {
        outcomes[i].said.append(bytes, static_cast<std::size_t>(got));
      } else {
        open[i].fd = -1;
        ++ended;
      }
    }
  }
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    outcomes[i].timed_out = open[i].fd >= 0;
    if (outcomes[i].timed_out) ::kill(processes_[i], SIGKILL);
    ::waitpid(processes_[i], &outcomes[i].status, 0);
    for (const int end : {words_[i], releases_[i], results_[i]}) ::close(end);
  }
  processes_.clear();
  return outcomes;
}

std::string run_ranks(int count, const std::function<void(Communicator&)>& body,
                      const CommunicatorOptions& options) {
  Ranks ranks(count, [&](int rank) {
    CommunicatorOptions mine = options;
    mine.world = test_world(rank, count);
    Communicator communicator(mine);
    body(communicator);
    return std::string("ok");
  });
  const std::vector<Outcome> outcomes = ranks.join();
  for (int rank = 0; rank < count; ++rank) {
    const Outcome& outcome = outcomes[static_cast<std::size_t>(rank)];
    if (outcome.timed_out) return "rank " + std::to_string(rank) + " hangs";
    if (outcome.said != "ok")
      return "rank " + std::to_string(rank) + ", status " + std::to_string(outcome.status) + ": " +
             outcome.said;
  }
  return "ok";
}

}  // namespace mutirao::comm
