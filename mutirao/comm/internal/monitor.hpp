#pragma once

// Note [Who sees that a rank is gone]
// Each rank has one thread that looks at the others: a pidfd tells of a death at once; a word that
// each rank's thread moves four times a second tells of one that is alive but does not run
// (stopped, frozen). It costs four wake-ups a second and is the only thread that a group has. A
// thread that finds that it did not run itself for a while (the whole job was stopped, the machine
// slept) begins to count anew, so that nobody is blamed for what befell all.

#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "mutirao/comm/internal/box_memory.hpp"
#include "mutirao/comm/internal/failure_board.hpp"
#include "mutirao/core/local_socket.hpp"
#include "mutirao/core/unique_fd.hpp"

namespace mutirao::comm::internal {

class Monitor {
 public:
  /// `on_tick`: called in the thread, each time it has looked.
  Monitor(const BoxMemory& memory, std::size_t index, std::chrono::milliseconds silence_timeout,
          std::function<void()> on_tick = {});
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  struct Watched {
    core::UniqueFd pidfd;  // none: a thread of this process
    bool dead = false;
    std::uint32_t beat = 0;
    Clock::time_point moved;
  };

  void run();
  void look_at(std::size_t index, bool ended, Clock::time_point now);
  void blame(std::size_t index, const std::string& what, const std::string& hint) const;

  const BoxMemory memory_;
  const std::size_t index_;
  const std::chrono::milliseconds silence_timeout_;
  const FailureBoard board_;
  const std::function<void()> on_tick_;
  std::vector<Watched> watched_;
  core::LocalSocket stop_;       // closed to end the thread
  core::LocalSocket stop_seen_;  // its other end
  std::thread thread_;
};

/// "its last collective was 16, barrier", "it has come to no collective yet".
std::string last_collective(const RankEntry& entry);
/// "rank 2 (process 77 on host)".
std::string name_of(const RankEntry& entry);

/// "0.5 s".
std::string seconds_text(std::chrono::milliseconds time);

}  // namespace mutirao::comm::internal
