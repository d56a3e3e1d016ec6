#include "mutirao/comm/internal/tcp_link.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <asio/buffer.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#include "mutirao/core/local_socket.hpp"

namespace mutirao::comm::internal {
namespace {

/// How much one system call may move.
constexpr std::size_t kAtOnce = 1 << 20;
/// A rank that lives looks four times a second.
constexpr std::chrono::milliseconds kPatienceAtTheEnd{1000};
constexpr std::chrono::milliseconds kPatienceAfterAFailure{300};

std::size_t as_much_as_possible(const asio::error_code& error, std::size_t) {
  return error ? 0 : kAtOnce;
}

template <class T>
void erase_from(std::deque<T>& all, const T& one) {
  const auto place = std::find(all.begin(), all.end(), one);
  if (place != all.end()) all.erase(place);
}

}  // namespace

/// What somebody waits for: a message that is being sent or received.
template <class State>
class TcpLink::Waited : public Transfer {
 public:
  Waited(TcpLink& link, PeerPointer peer, std::shared_ptr<State> state)
      : link_(link), peer_(std::move(peer)), state_(std::move(state)) {}
  Waited(const Waited&) = delete;
  Waited& operator=(const Waited&) = delete;
  ~Waited() override {
    if (state_->done) return;
    const std::lock_guard lock(link_.mutex_);
    cancel(*peer_, state_);
  }
  bool done() override {
    if (!state_->done) link_.tick();
    return state_->done;
  }

 private:
  TcpLink& link_;
  const PeerPointer peer_;
  const std::shared_ptr<State> state_;
};

TcpLink::TcpLink() = default;

TcpLink::~TcpLink() {
  const std::lock_guard lock(mutex_);
  for (const auto& [rank, peer] : peers_) {
    auto end = std::make_shared<Sending>();
    end->frame.kind = Kind::kEnd;
    peer->to_send.push_back(std::move(end));
    write_next(peer);
  }
  const auto patient = Clock::now() + (abandoned_ ? kPatienceAfterAFailure : kPatienceAtTheEnd);
  const auto is_open = [](const auto& each) {
    return !each.second->lost && !each.second->end_seen;
  };
  while (Clock::now() < patient && std::any_of(peers_.begin(), peers_.end(), is_open))
    context_.run_one_until(patient);
}

std::unique_ptr<Link::Transfer> TcpLink::send(const std::byte* data, std::size_t bytes, int to,
                                              int tag) {
  const std::lock_guard lock(mutex_);
  const PeerPointer peer = peer_of(to);
  auto sending = std::make_shared<Sending>();
  sending->frame = {bytes, tag, Kind::kBytes};
  sending->data = data;
  peer->to_send.push_back(sending);
  write_next(peer);
  return std::make_unique<Waited<Sending>>(*this, peer, std::move(sending));
}

std::unique_ptr<Link::Transfer> TcpLink::receive(std::byte* data, std::size_t bytes, int from,
                                                 int tag) {
  const std::lock_guard lock(mutex_);
  const PeerPointer peer = peer_of(from);
  auto receiving = std::make_shared<Receiving>();
  receiving->data = data;
  receiving->bytes = bytes;
  auto& early = peer->early[tag];
  if (early.empty()) {
    peer->expected[tag].push_back(receiving);
  } else if (early.front().size() != bytes) {
    lose(*peer);
  } else {
    if (bytes > 0) std::memcpy(data, early.front().data(), bytes);
    early.pop_front();
    receiving->done = true;
  }
  return std::make_unique<Waited<Receiving>>(*this, peer, std::move(receiving));
}

bool TcpLink::is_lost(int rank) {
  const std::lock_guard lock(mutex_);
  return peer_of(rank)->lost;
}

void TcpLink::tick() {
  const std::lock_guard lock(mutex_);
  poll();
}

bool TcpLink::sleep(std::chrono::milliseconds at_most) {
  std::vector<int> fds;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [rank, peer] : peers_) {
      if (!peer->lost) fds.push_back(peer->socket.native_handle());
    }
  }
  core::wait_readable(fds, at_most);  // without the mutex: others must get on
  return true;
}

void TcpLink::add(int rank, Socket socket) {
  asio::error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  const std::lock_guard lock(mutex_);
  const auto peer = std::make_shared<Peer>(std::move(socket));
  peers_[rank] = peer;
  read_frame(peer);
}

void TcpLink::remove(int rank) {
  const std::lock_guard lock(mutex_);
  const auto found = peers_.find(rank);
  if (found == peers_.end()) return;
  lose(*found->second);
  peers_.erase(found);
}

bool TcpLink::wait(Transfer& transfer, int rank, Clock::time_point deadline) {
  constexpr std::chrono::milliseconds kLook{50};
  while (!transfer.done()) {
    if (is_lost(rank)) return transfer.done();
    const auto now = Clock::now();
    if (now >= deadline) return false;
    const std::lock_guard lock(mutex_);
    context_.run_one_until(std::min<Clock::time_point>(deadline, now + kLook));
  }
  return true;
}

TcpLink::PeerPointer TcpLink::peer_of(int rank) const { return peers_.at(rank); }

void TcpLink::poll() { context_.poll(); }

void TcpLink::lose(Peer& peer) {
  peer.lost = true;
  asio::error_code ignored;
  peer.socket.close(ignored);
}

void TcpLink::cancel(Peer& peer, const std::shared_ptr<Sending>& sending) {
  // What is being written cannot be taken back: half a frame would spoil all that follow.
  if (peer.writing && peer.to_send.front() == sending) {
    lose(peer);
  } else {
    erase_from(peer.to_send, sending);
  }
}

void TcpLink::cancel(Peer& peer, const std::shared_ptr<Receiving>& receiving) {
  if (peer.reading == receiving) lose(peer);
  for (auto& [tag, queue] : peer.expected) erase_from(queue, receiving);
}

void TcpLink::write_next(const PeerPointer& peer) {
  if (peer->writing || peer->lost || peer->to_send.empty()) return;
  peer->writing = true;
  const auto sending = peer->to_send.front();
  const std::array<asio::const_buffer, 2> buffers{
      asio::buffer(&sending->frame, sizeof sending->frame),
      asio::buffer(sending->data, static_cast<std::size_t>(sending->frame.bytes))};
  asio::async_write(peer->socket, buffers, as_much_as_possible,
                    [this, peer, sending](const asio::error_code& error, std::size_t) {
                      peer->writing = false;
                      if (error || peer->lost) return lose(*peer);
                      peer->to_send.pop_front();
                      sending->done = true;
                      write_next(peer);
                    });
}

void TcpLink::read_frame(const PeerPointer& peer) {
  asio::async_read(peer->socket, asio::buffer(&peer->incoming, sizeof peer->incoming),
                   [this, peer](const asio::error_code& error, std::size_t) {
                     if (error || peer->lost) return lose(*peer);
                     on_frame(peer);
                   });
}

void TcpLink::on_frame(const PeerPointer& peer) {
  if (peer->incoming.kind == Kind::kBytes) return read_bytes(peer);
  if (peer->incoming.kind == Kind::kEnd) {
    auto seen = std::make_shared<Sending>();
    seen->frame.kind = Kind::kEndSeen;
    peer->to_send.push_back(std::move(seen));
    write_next(peer);
  } else {
    peer->end_seen = true;
  }
  read_frame(peer);
}

void TcpLink::read_bytes(const PeerPointer& peer) {
  const auto bytes = static_cast<std::size_t>(peer->incoming.bytes);
  auto& expected = peer->expected[peer->incoming.tag];
  asio::mutable_buffer to;
  if (expected.empty()) {
    peer->kept.resize(bytes);
    to = asio::buffer(peer->kept);
  } else {
    if (expected.front()->bytes != bytes) return lose(*peer);
    peer->reading = std::move(expected.front());
    expected.pop_front();
    to = asio::buffer(peer->reading->data, bytes);
  }
  asio::async_read(peer->socket, to, as_much_as_possible,
                   [this, peer](const asio::error_code& error, std::size_t) {
                     if (error || peer->lost) return lose(*peer);
                     on_bytes(peer);
                     if (!peer->lost) read_frame(peer);
                   });
}

void TcpLink::on_bytes(const PeerPointer& peer) {
  if (peer->reading) {
    peer->reading->done = true;
    peer->reading = nullptr;
    return;
  }
  const int tag = peer->incoming.tag;
  std::vector<std::byte> bytes = std::exchange(peer->kept, {});
  auto& expected = peer->expected[tag];  // somebody may have come meanwhile
  if (expected.empty()) {
    peer->early[tag].push_back(std::move(bytes));
    return;
  }
  const auto receiving = std::move(expected.front());
  expected.pop_front();
  if (receiving->bytes != bytes.size()) return lose(*peer);
  if (!bytes.empty()) std::memcpy(receiving->data, bytes.data(), bytes.size());
  receiving->done = true;
}

}  // namespace mutirao::comm::internal
