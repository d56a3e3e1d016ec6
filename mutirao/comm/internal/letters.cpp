#include "mutirao/comm/internal/letters.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

namespace mutirao::comm::internal {
namespace {

constexpr std::chrono::milliseconds kAway{1500};
constexpr int kTicksPerSign = 2;

}  // namespace

Letters::Letters(Link& link, const BoxMemory& memory, std::size_t box,
                 std::chrono::milliseconds silence_timeout)
    : link_(link),
      memory_(memory),
      board_(memory),
      silence_timeout_(silence_timeout),
      last_tick_(Clock::now()) {
  for (std::size_t i = 0; i < link.boxes().size(); ++i) {
    if (i == box) continue;
    Correspondent& other = others_.emplace_back();
    other.leader = link.boxes()[i].front();
    other.heard = last_tick_;
    other.receive = link_.receive(reinterpret_cast<std::byte*>(&other.incoming), sizeof(Letter),
                                  other.leader, kLetterTag);
  }
}

void Letters::send(const Letter& letter) {
  Outgoing& out = outgoing_.emplace_back();
  out.letter = letter;
  for (const Correspondent& other : others_) {
    if (other.left || link_.is_lost(other.leader)) continue;
    out.sends.push_back({other.leader, link_.send(reinterpret_cast<const std::byte*>(&out.letter),
                                                  sizeof(Letter), other.leader, kLetterTag)});
  }
}

void Letters::forget_what_is_sent() {
  for (Outgoing& out : outgoing_) {
    std::erase_if(out.sends, [this](const Send& each) {
      return each.transfer->done() || link_.is_lost(each.leader);
    });
  }
  std::erase_if(outgoing_, [](const Outgoing& out) { return out.sends.empty(); });
}

void Letters::read(Correspondent& other, Clock::time_point now) {
  while (other.receive && other.receive->done()) {
    other.heard = now;
    const Letter& letter = other.incoming;
    if (letter.kind == Kind::kLeaving) {
      other.left = true;
      other.receive.reset();
      memory_.ring_all();
      return;
    }
    if (letter.kind == Kind::kFailed) {
      told_failure_ = true;  // by the one that knew it first
      board_.fail(
          {static_cast<core::ErrorCode>(letter.code), letter.rank, letter.message, letter.hint});
    }
    other.receive = link_.receive(reinterpret_cast<std::byte*>(&other.incoming), sizeof(Letter),
                                  other.leader, kLetterTag);
  }
}

void Letters::tick() {
  const Clock::time_point now = Clock::now();
  const bool was_away = now - last_tick_ > kAway;
  last_tick_ = now;
  forget_what_is_sent();
  for (Correspondent& other : others_) {
    if (was_away) other.heard = now;
    const bool lost = link_.is_lost(other.leader);  // after its last letter
    read(other, now);
    if (lost && !other.left) {
      board_.fail({core::ErrorCode::kRankFailed, other.leader,
                   fmt::format("rank {}, the first of another box, is gone: its connection has "
                               "ended",
                               other.leader),
                   "look at what that rank wrote last, and how its launcher says it ended"});
    }
    if (other.left || board_.failed() || now - other.heard <= silence_timeout_) continue;
    board_.fail(
        {core::ErrorCode::kRankFailed, other.leader,
         fmt::format("rank {}, the first of another box, has shown no sign of life for "
                     "{:.1f} s",
                     other.leader, std::chrono::duration<double>(now - other.heard).count()),
         "look whether it is stopped, and whether the network is up"});
  }
  if (board_.failed() && !told_failure_) {
    told_failure_ = true;
    const Failure failure = board_.read();
    Letter letter;
    letter.kind = Kind::kFailed;
    letter.code = static_cast<std::int32_t>(failure.code);
    letter.rank = failure.rank;
    failure.message.copy(letter.message, sizeof letter.message - 1);
    failure.hint.copy(letter.hint, sizeof letter.hint - 1);
    send(letter);
  } else if (ticks_++ % kTicksPerSign == 0) {
    send({});
  }
}

void Letters::leave() {
  tick();  // a failure comes first
  if (!board_.failed()) {
    Letter letter;
    letter.kind = Kind::kLeaving;
    send(letter);
  }
  const auto patient = Clock::now() + std::chrono::milliseconds(500);
  while (!outgoing_.empty() && Clock::now() < patient) forget_what_is_sent();
}

int Letters::left_among(const std::vector<int>& leaders) const {
  for (const Correspondent& other : others_) {
    if (other.left && std::find(leaders.begin(), leaders.end(), other.leader) != leaders.end())
      return other.leader;
  }
  return -1;
}

}  // namespace mutirao::comm::internal
