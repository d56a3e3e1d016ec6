#pragma once

#include <deque>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "mutirao/comm/internal/box_memory.hpp"
#include "mutirao/comm/internal/failure_board.hpp"
#include "mutirao/comm/internal/link.hpp"

namespace mutirao::comm::internal {

/// A message between ranks of different boxes: a header, then the bytes. Both ends work on a copy,
/// so the caller's memory may go at any time.
struct LinkMessage {
  int peer = 0;
  std::byte* to = nullptr;  ///< receiving: where the bytes go when they are here
  PieceHeader header{};     ///< sending: ours; receiving: theirs
  std::uint64_t wanted = 0;
  DataType type = DataType::kFloat32;
  std::vector<std::byte> bytes;
  std::unique_ptr<Link::Transfer> header_transfer;
  std::unique_ptr<Link::Transfer> bytes_transfer;
  bool done = false;
};

/// Thread safety: one thread at a time.
class LinkMessages {
 public:
  LinkMessages(Link& link, const BoxMemory& memory, int rank)
      : link_(link), board_(memory), rank_(rank) {}

  std::shared_ptr<LinkMessage> send(std::span<const std::byte> bytes, DataType type, int to);
  std::shared_ptr<LinkMessage> receive(std::byte* to, std::uint64_t count, DataType type, int from);
  /// Moves what can be moved. Throws CollectiveMismatch, core::IoError.
  void advance();
  bool idle() const noexcept { return sending_.empty() && receiving_.empty(); }

 private:
  /// True when the message is complete.
  bool advance_receive(LinkMessage& message);

  Link& link_;
  const FailureBoard board_;
  const int rank_;
  std::deque<std::shared_ptr<LinkMessage>> sending_;
  std::map<int, std::deque<std::shared_ptr<LinkMessage>>> receiving_;  // per peer, in order
};

}  // namespace mutirao::comm::internal
