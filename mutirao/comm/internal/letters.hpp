#pragma once

#include <atomic>
#include <chrono>
#include <list>
#include <memory>
#include <vector>

#include "mutirao/comm/internal/failure_board.hpp"
#include "mutirao/comm/internal/link.hpp"

namespace mutirao::comm::internal {

/// What the first ranks of boxes tell each other beside collectives: that they live, that they
/// leave, and what has failed in their box. Thread safety: tick() and leave() not at once.
class Letters {
 public:
  Letters(Link& link, const BoxMemory& memory, std::size_t box,
          std::chrono::milliseconds silence_timeout);

  /// Sends and reads what there is; called again and again.
  void tick();
  /// Tells the others that this box ends here.
  void leave();
  /// The first rank of a box that has left, if any of these has; -1.
  int left_among(const std::vector<int>& leaders) const;

 private:
  using Clock = std::chrono::steady_clock;
  enum class Kind : std::uint32_t { kAlive, kLeaving, kFailed };
  struct Letter {
    Kind kind = Kind::kAlive;
    std::int32_t code = 0;
    std::int32_t rank = -1;
    char message[1024] = {};
    char hint[512] = {};
  };
  struct Correspondent {
    int leader = 0;
    Letter incoming;
    std::unique_ptr<Link::Transfer> receive;
    Clock::time_point heard;
    std::atomic<bool> left{false};
  };
  struct Send {
    int leader = 0;
    std::unique_ptr<Link::Transfer> transfer;
  };
  struct Outgoing {
    Letter letter;
    std::vector<Send> sends;
  };

  void send(const Letter& letter);
  void forget_what_is_sent();
  void read(Correspondent& other, Clock::time_point now);

  Link& link_;
  const BoxMemory memory_;
  const FailureBoard board_;
  const std::chrono::milliseconds silence_timeout_;
  std::list<Correspondent> others_;
  std::list<Outgoing> outgoing_;
  Clock::time_point last_tick_;
  int ticks_ = 0;
  bool told_failure_ = false;
};

}  // namespace mutirao::comm::internal
