#include "mutirao/comm/internal/monitor.hpp"

#include <algorithm>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/process.hpp"

namespace mutirao::comm::internal {
namespace {

constexpr std::chrono::milliseconds kBeat{250};
/// A thread that was away for this long does not judge others by the time that it missed.
constexpr std::chrono::milliseconds kAway{1500};

}  // namespace

std::string last_collective(const RankEntry& entry) {
  const std::uint64_t posted = entry.posted.load(std::memory_order_acquire);
  if (posted == 0) return "it has come to no collective yet";
  CollectiveHeader header;
  header.count = entry.last_count.load(std::memory_order_relaxed);
  header.operation = entry.last_operation.load(std::memory_order_relaxed);
  header.type = entry.last_type.load(std::memory_order_relaxed);
  header.reduction = entry.last_reduction.load(std::memory_order_relaxed);
  return fmt::format("its last collective was {}, {}", posted - 1, describe(header));
}

std::string name_of(const RankEntry& entry) {
  return fmt::format("rank {} (process {} on {})", entry.global_rank, entry.process, entry.host);
}

std::string seconds_text(std::chrono::milliseconds time) {
  return fmt::format("{:g} s", static_cast<double>(time.count()) / 1000.0);
}

Monitor::Monitor(const BoxMemory& memory, std::size_t index,
                 std::chrono::milliseconds silence_timeout, std::function<void()> on_tick)
    : memory_(memory),
      index_(index),
      silence_timeout_(silence_timeout),
      board_(memory),
      on_tick_(std::move(on_tick)),
      watched_(memory.ranks()) {
  const pid_t self = ::getpid();
  for (std::size_t i = 0; i < watched_.size(); ++i) {
    const pid_t process = memory.rank(i).process;
    watched_[i].moved = Clock::now();
    if (process == self) continue;
    try {
      watched_[i].pidfd = core::open_pidfd(process);
    } catch (const core::IoError& error) {
      if (error.error_number() != ESRCH) throw;
      watched_[i].dead = true;
    }
  }
  std::tie(stop_, stop_seen_) = core::LocalSocket::pair();
  thread_ = std::thread([this] { run(); });
}

Monitor::~Monitor() {
  stop_.close();
  thread_.join();
}

void Monitor::run() {
  std::vector<int> fds;
  for (const Watched& each : watched_) fds.push_back(each.dead ? -1 : each.pidfd.get());
  fds.push_back(stop_seen_.get());
  Clock::time_point last = Clock::now();
  for (;;) {
    const std::vector<bool> readable = core::wait_readable(fds, kBeat);
    if (readable.back()) return;
    const Clock::time_point now = Clock::now();
    memory_.rank(index_).beat.fetch_add(1, std::memory_order_relaxed);
    if (now - last > kAway) {
      for (Watched& each : watched_) each.moved = now;
    }
    last = now;
    for (std::size_t i = 0; i < watched_.size(); ++i) {
      look_at(i, readable[i] || watched_[i].dead, now);
      if (readable[i]) {
        watched_[i].dead = true;
        fds[i] = -1;
      }
    }
    if (on_tick_) on_tick_();
  }
}

void Monitor::look_at(std::size_t index, bool ended, Clock::time_point now) {
  RankEntry& entry = memory_.rank(index);
  Watched& watched = watched_[index];
  const std::uint32_t beat = entry.beat.load(std::memory_order_relaxed);
  if (beat != watched.beat) {
    watched.beat = beat;
    watched.moved = now;
  }
  if (index == index_ || board_.failed()) return;
  // One that has left may end, and is missed only by a collective that still needs it.
  if (entry.state.load(std::memory_order_acquire) != RankState::kJoined) return;
  if (ended) {
    blame(index, "died", "look at what that rank wrote last, and how its launcher says it ended");
  } else if (now - watched.moved > silence_timeout_) {
    blame(index,
          core::is_stopped(entry.process)
              ? "is stopped (SIGSTOP, or a debugger)"
              : fmt::format("has shown no sign of life for {:.1f} s",
                            std::chrono::duration<double>(now - watched.moved).count()),
          "give debugged ranks a longer silence_timeout");
  }
}

void Monitor::blame(std::size_t index, const std::string& what, const std::string& hint) const {
  const RankEntry& entry = memory_.rank(index);
  board_.fail({core::ErrorCode::kRankFailed, entry.global_rank,
               fmt::format("{} {}; {}", name_of(entry), what, last_collective(entry)), hint});
}

}  // namespace mutirao::comm::internal
