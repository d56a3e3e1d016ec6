#include "mutirao/comm/internal/box_messages.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace mutirao::comm::internal {

void Message::drop() {
  to = nullptr;
  if (done || from == nullptr) return;
  kept.assign(from + moved, from + bytes);
  // So that kept.data() stands where from + moved stood.
  bytes -= moved;
  moved = 0;
  from = kept.data();
}

BoxMessages::BoxMessages(const BoxMemory& memory, std::size_t index, std::vector<int> members)
    : memory_(memory),
      index_(index),
      members_(std::move(members)),
      board_(memory),
      sending_(members_.size()),
      receiving_(members_.size()) {}

std::shared_ptr<Message> BoxMessages::send(std::span<const std::byte> bytes, DataType type,
                                           std::size_t to) {
  auto message = std::make_shared<Message>();
  message->from = bytes.data();
  message->bytes = bytes.size();
  message->type = type;
  sending_[to].push_back(message);
  return message;
}

std::shared_ptr<Message> BoxMessages::receive(std::span<std::byte> bytes, DataType type,
                                              std::size_t from) {
  auto message = std::make_shared<Message>();
  message->to = bytes.data();
  message->bytes = bytes.size();
  message->type = type;
  receiving_[from].push_back(message);
  return message;
}

bool BoxMessages::can_send(std::size_t to) const noexcept {
  const PairChannel& channel = memory_.channel(index_, to);
  return channel.written.load(std::memory_order_relaxed) -
             channel.read.load(std::memory_order_acquire) <
         kChannelPieces;
}

bool BoxMessages::can_receive(std::size_t from) const noexcept {
  const PairChannel& channel = memory_.channel(from, index_);
  return channel.written.load(std::memory_order_acquire) !=
         channel.read.load(std::memory_order_relaxed);
}

bool BoxMessages::looks_ready() const noexcept {
  for (std::size_t peer = 0; peer < members_.size(); ++peer) {
    if (!sending_[peer].empty() && can_send(peer)) return true;
    if (!receiving_[peer].empty() && can_receive(peer)) return true;
  }
  return false;
}

void BoxMessages::advance() {
  for (std::size_t peer = 0; peer < members_.size(); ++peer) {
    send_pieces(peer);
    receive_pieces(peer);
  }
}

void BoxMessages::send_pieces(std::size_t to) {
  Queue& queue = sending_[to];
  PairChannel& channel = memory_.channel(index_, to);
  bool moved = false;
  while (!queue.empty() && can_send(to)) {
    Message& message = *queue.front();
    const std::uint32_t number = channel.written.load(std::memory_order_relaxed);
    const std::uint64_t bytes =
        std::min(message.bytes - message.moved, memory_.shape().piece_bytes);
    PieceHeader& piece = channel.pieces[number % kChannelPieces];
    piece = {message.bytes / size_of(message.type), message.type,
             static_cast<std::uint32_t>(bytes)};
    if (bytes > 0)
      std::memcpy(memory_.piece(index_, to, number), message.from + message.moved, bytes);
    message.moved += bytes;
    channel.written.store(number + 1, std::memory_order_seq_cst);
    moved = true;
    if (message.moved == message.bytes) {
      message.done = true;
      queue.pop_front();
    }
  }
  if (moved && to != index_) memory_.ring(to);
}

void BoxMessages::begin(const Message& message, const PieceHeader& piece, std::size_t from) const {
  const std::uint64_t wanted = message.bytes / size_of(message.type);
  if (piece.count == wanted && piece.type == message.type) return;
  board_.fail(
      {core::ErrorCode::kCollectiveMismatch, members_[from],
       fmt::format("rank {} sent {} {} where rank {} waits for {} {}", members_[from], piece.count,
                   name_of(piece.type), members_[index_], wanted, name_of(message.type)),
       "send and recv of a pair of ranks must come in the same order, with the same sizes"});
  raise(board_.read());
}

void BoxMessages::receive_pieces(std::size_t from) {
  Queue& queue = receiving_[from];
  PairChannel& channel = memory_.channel(from, index_);
  bool moved = false;
  while (!queue.empty() && can_receive(from)) {
    Message& message = *queue.front();
    const std::uint32_t number = channel.read.load(std::memory_order_relaxed);
    const PieceHeader piece = channel.pieces[number % kChannelPieces];
    if (!message.begun) begin(message, piece, from);
    message.begun = true;
    if (message.to != nullptr && piece.bytes > 0)
      std::memcpy(message.to + message.moved, memory_.piece(from, index_, number), piece.bytes);
    message.moved += piece.bytes;
    channel.read.store(number + 1, std::memory_order_seq_cst);
    moved = true;
    if (message.moved == message.bytes) {
      message.done = true;
      queue.pop_front();
    }
  }
  if (moved && from != index_) memory_.ring(from);
}

}  // namespace mutirao::comm::internal
