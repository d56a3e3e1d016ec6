#include "mutirao/launch/launch.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <random>
#include <span>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/core/clock.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/unique_fd.hpp"
#include "mutirao/launch/internal/guard.hpp"
#include "mutirao/launch/internal/rank_environment.hpp"
#include "mutirao/launch/internal/rank_output.hpp"

namespace mutirao::launch {
namespace {

using Clock = std::chrono::steady_clock;
using internal::GuardMessage;
using internal::GuardOrder;

constexpr auto kTellEvery = std::chrono::seconds(1);
constexpr std::size_t kMostRanks = 4096;

void check(const LaunchOptions& options) {
  if (options.command.empty())
    throw core::InvalidArgument("no program is given to launch", "name it: --nproc 2 ./program");
  if (options.ranks < 1 || options.ranks > kMostRanks) {
    throw core::InvalidArgument(fmt::format("{} ranks are asked for", options.ranks),
                                fmt::format("1 to {} can be started", kMostRanks));
  }
  if (options.nodes < 1) throw core::InvalidArgument("a run needs one node at least");
  if (options.node_rank >= options.nodes) {
    throw core::InvalidArgument(
        fmt::format("node {} of {} does not exist", options.node_rank, options.nodes),
        fmt::format("nodes are numbered 0 to {}", options.nodes - 1));
  }
  if (options.nodes > 1 && options.master_port == 0) {
    throw core::InvalidArgument("several nodes need the address and the port of one of them",
                                "give the same on all: --master HOST:PORT of node 0");
  }
}

std::string random_id() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}", device(), device());
}

/// Becomes readable when a stop is requested.
class StopSignal {
 public:
  explicit StopSignal(const std::stop_token& token)
      : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), wake_(token, Wake{fd_.get()}) {
    if (!fd_) throw core::IoError("cannot create an event descriptor", errno);
  }
  int get() const noexcept { return fd_.get(); }

 private:
  struct Wake {
    int fd;
    void operator()() const noexcept { ::eventfd_write(fd, 1); }
  };
  core::UniqueFd fd_;
  std::stop_callback<Wake> wake_;
};

struct Rank {
  pid_t process = 0;
  Clock::time_point start;
  std::array<core::UniqueFd, 2> streams;  // by Stream
  std::array<internal::LineSplitter, 2> lines;
  internal::Tail tail;
};

/// All ranks of this machine, from one start to the end of the last.
class Attempt {
 public:
  Attempt(const LaunchOptions& options, LaunchObserver& observer, const internal::Guard& guard,
          Clock::time_point begin)
      : options_(options),
        observer_(observer),
        guard_(guard),
        begin_(begin),
        stop_(options.stop),
        kill_(options.kill),
        ranks_(options.ranks) {}

  void watch() {
    while (!gone_ || streams_open()) step();
    if (running_ > 0 && !failed_)
      throw core::IoError("the process that holds the ranks was killed", ECHILD,
                          "nothing of them is left; start again");
  }

  std::optional<RankFailure> failure() {
    if (!failed_) return std::nullopt;
    failure_.stderr_tail = ranks_[failed_local_].tail.text();
    return failure_;
  }
  bool stopped() const noexcept { return stopped_; }

 private:
  bool streams_open() const {
    for (const Rank& rank : ranks_) {
      if (rank.streams[0] || rank.streams[1]) return true;
    }
    return false;
  }

  void step() {
    polled_.clear();
    polled_.push_back({gone_ ? -1 : guard_.socket().get(), POLLIN, 0});
    polled_.push_back({stopped_ ? -1 : stop_.get(), POLLIN, 0});
    polled_.push_back({kill_ordered_ ? -1 : kill_.get(), POLLIN, 0});
    for (const Rank& rank : ranks_) {
      for (const core::UniqueFd& stream : rank.streams)
        polled_.push_back({stream ? stream.get() : -1, POLLIN, 0});
    }
    const auto now = Clock::now();
    auto until = last_told_ + kTellEvery;
    if (deadline_) until = std::min(until, *deadline_);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now);
    if (::poll(polled_.data(), polled_.size(),
               static_cast<int>(std::max<std::int64_t>(0, left.count()))) < 0 &&
        errno != EINTR)
      throw core::IoError("cannot wait for the ranks", errno);
    // What a rank wrote is read before its end is heard.
    for (std::size_t i = 3; i < polled_.size(); ++i) {
      if (polled_[i].revents != 0) read((i - 3) / 2, (i - 3) % 2);
    }
    if (polled_[0].revents != 0) hear();
    if (polled_[1].revents != 0) {
      stopped_ = true;
      end_all();
    }
    if (polled_[2].revents != 0) {
      stopped_ = true;
      kill_all();
    }
    if (deadline_ && Clock::now() >= *deadline_) kill_all();
    if (Clock::now() - last_told_ >= kTellEvery) tell();
  }

  void tell() {
    last_told_ = Clock::now();
    observer_.on_progress(running_, core::seconds_since(begin_));
  }

  void read(std::size_t local, std::size_t stream) {
    Rank& rank = ranks_[local];
    const auto take = [&](std::string_view line) {
      if (stream == 1) rank.tail.add(line);
      observer_.on_line(global(local), static_cast<Stream>(stream), line);
    };
    std::array<char, std::size_t{64} << 10> bytes;
    const ssize_t count = ::read(rank.streams[stream].get(), bytes.data(), bytes.size());
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (count > 0) {
      rank.lines[stream].append({bytes.data(), static_cast<std::size_t>(count)}, take);
      return;
    }
    rank.lines[stream].finish(take);
    rank.streams[stream].reset();
  }

  void hear() {
    GuardMessage message;
    auto received = guard_.socket().receive(std::as_writable_bytes(std::span(&message, 1)),
                                            core::LocalSocket::Wait::kNo);
    if (!received) return;
    if (received->bytes == 0) {
      gone_ = true;
      return;
    }
    const auto local = static_cast<std::size_t>(message.rank);
    switch (message.kind) {
      case GuardMessage::Kind::kStarted: {
        Rank& rank = ranks_.at(local);
        rank.process = message.process;
        rank.start = Clock::now();
        for (std::size_t i = 0; i < 2; ++i) rank.streams[i] = std::move(received->fds.at(i));
        ++running_;
        observer_.on_started(global(local), message.process);
        tell();
        break;
      }
      case GuardMessage::Kind::kRefused:
        throw core::IoError(fmt::format("cannot start rank {}", global(local)), message.status,
                            "start fewer ranks, or raise the limits (ulimit -u, ulimit -n)");
      case GuardMessage::Kind::kEnded:
        --running_;
        ended(local, message.status);
        tell();
        break;
    }
  }

  void ended(std::size_t local, int status) {
    const bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (well || failed_ || stopped_) return;
    failed_ = true;
    failed_local_ = local;
    failure_ = {.rank = global(local),
                .process = ranks_[local].process,
                .exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
                .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                .seconds = core::seconds_since(ranks_[local].start)};
    end_all();
  }

  void end_all() {
    if (deadline_ || kill_ordered_) return;
    guard_.order(GuardOrder::kTerminate);
    deadline_ = Clock::now() + options_.grace;
  }

  void kill_all() {
    deadline_.reset();
    if (!std::exchange(kill_ordered_, true)) guard_.order(GuardOrder::kKill);
  }

  std::size_t global(std::size_t local) const {
    return options_.node_rank * options_.ranks + local;
  }

  const LaunchOptions& options_;
  LaunchObserver& observer_;
  const internal::Guard& guard_;
  const Clock::time_point begin_;
  const StopSignal stop_;
  const StopSignal kill_;
  std::vector<Rank> ranks_;
  std::vector<pollfd> polled_;
  std::size_t running_ = 0;
  bool gone_ = false;  // the guard, and with it all ranks
  bool stopped_ = false;
  bool kill_ordered_ = false;
  bool failed_ = false;
  std::size_t failed_local_ = 0;
  RankFailure failure_;
  std::optional<Clock::time_point> deadline_;  // for what was asked to end
  Clock::time_point last_told_ = Clock::now();
};

}  // namespace

std::string describe(const RankFailure& failure) {
  std::string text = fmt::format("rank {} (process {}) ", failure.rank, failure.process);
  if (failure.signal != 0) {
    text +=
        fmt::format("was killed by signal {} ({})", failure.signal, ::strsignal(failure.signal));
  } else {
    text += fmt::format("exited with code {}", failure.exit_code);
  }
  text += fmt::format(" after {:.1f} s", failure.seconds);
  if (failure.stderr_tail.empty()) return text + "; it wrote nothing on stderr";
  text += "; its last lines on stderr:";
  std::string_view rest = failure.stderr_tail;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    text += fmt::format("\n  {}", rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  return text;
}

LaunchResult launch(const LaunchOptions& options, LaunchObserver& observer) {
  check(options);
  const std::string program = internal::find_program(options.command.front());
  const std::vector<int> cores = internal::usable_cores();
  const std::vector<std::vector<int>> shares = internal::divide_cores(cores, options.ranks);
  internal::Start start{
      .run_id = options.run_id,
      .master_port = options.master_port,
      .threads_per_rank = options.threads_per_rank != 0
                              ? options.threads_per_rank
                              : std::max<std::size_t>(1, cores.size() / options.ranks)};
  if (start.run_id.empty()) {
    start.run_id = options.nodes > 1
                       ? fmt::format("{}:{}", options.master_address, options.master_port)
                       : random_id();
  }
  LaunchResult result;
  const auto begin = Clock::now();
  for (;;) {
    if (options.master_port == 0) start.master_port = internal::free_port();
    start.restart = result.restarts;
    std::vector<internal::RankStart> ranks;
    for (std::size_t local = 0; local < options.ranks; ++local) {
      ranks.push_back({.environment = internal::environment_of(options, start, local),
                       .cores = shares.empty() ? std::vector<int>{} : shares[local]});
    }
    {
      const internal::Guard guard(program, options.command, ranks);
      Attempt attempt(options, observer, guard, begin);
      attempt.watch();
      result.failure = attempt.failure();
      result.stopped = attempt.stopped();
    }
    if (!result.failure || result.stopped || result.restarts == options.max_restarts) return result;
    observer.on_restart(*result.failure, ++result.restarts);
  }
}

}  // namespace mutirao::launch
