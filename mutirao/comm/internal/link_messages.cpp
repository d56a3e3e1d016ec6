#include "mutirao/comm/internal/link_messages.hpp"

#include <cstring>
#include <iterator>

#include <fmt/format.h>

namespace mutirao::comm::internal {
namespace {

std::byte* bytes_of(PieceHeader& header) { return reinterpret_cast<std::byte*>(&header); }

}  // namespace

std::shared_ptr<LinkMessage> LinkMessages::send(std::span<const std::byte> bytes, DataType type,
                                                int to) {
  auto message = std::make_shared<LinkMessage>();
  message->peer = to;
  message->type = type;
  message->header = {bytes.size() / size_of(type), type, 0};
  message->bytes.assign(bytes.begin(), bytes.end());
  message->header_transfer =
      link_.send(bytes_of(message->header), sizeof(PieceHeader), to, kMessageHeaderTag);
  message->bytes_transfer =
      link_.send(message->bytes.data(), message->bytes.size(), to, kMessageTag);
  sending_.push_back(message);
  return message;
}

std::shared_ptr<LinkMessage> LinkMessages::receive(std::byte* to, std::uint64_t count,
                                                   DataType type, int from) {
  auto message = std::make_shared<LinkMessage>();
  message->peer = from;
  message->to = to;
  message->wanted = count;
  message->type = type;
  receiving_[from].push_back(message);
  return message;
}

bool LinkMessages::advance_receive(LinkMessage& message) {
  if (!message.bytes_transfer) {
    if (!message.header_transfer)
      message.header_transfer = link_.receive(bytes_of(message.header), sizeof(PieceHeader),
                                              message.peer, kMessageHeaderTag);
    if (!message.header_transfer->done()) return false;
    if (message.header.count != message.wanted || message.header.type != message.type) {
      board_.fail({core::ErrorCode::kCollectiveMismatch, message.peer,
                   fmt::format("rank {} sent {} {} where rank {} waits for {} {}", message.peer,
                               message.header.count, name_of(message.header.type), rank_,
                               message.wanted, name_of(message.type)),
                   "send and recv of a pair of ranks must come in the same order, with the same "
                   "sizes"});
      raise(board_.read());
    }
    message.bytes.resize(message.wanted * size_of(message.type));
    message.bytes_transfer =
        link_.receive(message.bytes.data(), message.bytes.size(), message.peer, kMessageTag);
  }
  if (!message.bytes_transfer->done()) return false;
  if (message.to != nullptr && !message.bytes.empty())
    std::memcpy(message.to, message.bytes.data(), message.bytes.size());
  message.done = true;
  return true;
}

void LinkMessages::advance() {
  std::erase_if(sending_, [](const auto& message) {
    message->done = message->header_transfer->done() && message->bytes_transfer->done();
    return message->done;
  });
  for (auto entry = receiving_.begin(); entry != receiving_.end();) {
    auto& queue = entry->second;
    while (!queue.empty() && advance_receive(*queue.front())) queue.pop_front();
    entry = queue.empty() ? receiving_.erase(entry) : std::next(entry);
  }
}

}  // namespace mutirao::comm::internal
