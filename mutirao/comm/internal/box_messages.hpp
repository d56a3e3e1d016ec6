#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "mutirao/comm/internal/box_memory.hpp"
#include "mutirao/comm/internal/failure_board.hpp"

namespace mutirao::comm::internal {

/// One message under way, at one of its ends.
struct Message {
  std::byte* to = nullptr;          ///< receiving: where to; null when nobody wants it any more
  const std::byte* from = nullptr;  ///< sending: where from
  std::uint64_t bytes = 0;
  std::uint64_t moved = 0;
  DataType type = DataType::kFloat32;
  bool begun = false;
  bool done = false;
  std::vector<std::byte> kept;  ///< what is left to send, once given up

  /// Its memory may go: what is left to send is copied, what is received is thrown away.
  void drop();
};

/// Messages from rank to rank of a box, each pair's in the order in which they were sent. Nothing
/// moves but in advance(), on either side. Thread safety: one thread at a time.
class BoxMessages {
 public:
  BoxMessages(const BoxMemory& memory, std::size_t index, std::vector<int> members);

  /// Peers are indices within the box.
  std::shared_ptr<Message> send(std::span<const std::byte> bytes, DataType type, std::size_t to);
  std::shared_ptr<Message> receive(std::span<std::byte> bytes, DataType type, std::size_t from);
  /// Moves what can be moved. Throws CollectiveMismatch.
  void advance();
  /// Cheap: whether advance() would move something.
  bool looks_ready() const noexcept;

 private:
  using Queue = std::deque<std::shared_ptr<Message>>;

  bool can_send(std::size_t to) const noexcept;
  bool can_receive(std::size_t from) const noexcept;
  void send_pieces(std::size_t to);
  void receive_pieces(std::size_t from);
  void begin(const Message& message, const PieceHeader& piece, std::size_t from) const;

  const BoxMemory memory_;
  const std::size_t index_;
  const std::vector<int> members_;
  const FailureBoard board_;
  std::vector<Queue> sending_;
  std::vector<Queue> receiving_;
};

}  // namespace mutirao::comm::internal
