#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include "mutirao/comm/internal/link.hpp"

namespace mutirao::comm::internal {

/// Note [Bytes over TCP]
/// A connection per pair of ranks of different boxes. Each transfer is a frame (tag, length), then
/// its bytes. A frame that nobody waits for yet is kept. There is no thread: whoever asks whether a
/// transfer is done moves all of them, and so does tick(). A connection that ends loses its rank,
/// and transfers with it never end: who watches the ranks says what has happened.
/// At the end each side says that it has nothing more to send and waits until the other has read
/// all: closing a connection at once may destroy what is still on its way.
class TcpLink : public Link {
 public:
  using Clock = std::chrono::steady_clock;
  using Socket = asio::ip::tcp::socket;

  TcpLink();
  ~TcpLink() override;

  std::unique_ptr<Transfer> send(const std::byte* data, std::size_t bytes, int to,
                                 int tag) override;
  std::unique_ptr<Transfer> receive(std::byte* data, std::size_t bytes, int from, int tag) override;
  const std::vector<std::vector<int>>& boxes() const override { return boxes_; }
  bool is_lost(int rank) override;
  void tick() override;
  void abandon() noexcept override { abandoned_ = true; }
  bool sleep(std::chrono::milliseconds at_most) override;

  // Before it is handed out, from one thread:
  asio::io_context& context() noexcept { return context_; }
  /// A connection whose other end is that rank.
  void add(int rank, Socket socket);
  void remove(int rank);
  void set_boxes(std::vector<std::vector<int>> boxes) { boxes_ = std::move(boxes); }
  /// False when the time is over or the rank is lost.
  bool wait(Transfer& transfer, int rank, Clock::time_point deadline);

 private:
  enum class Kind : std::uint32_t { kBytes, kEnd, kEndSeen };
  struct Frame {
    std::uint64_t bytes = 0;
    std::int32_t tag = 0;
    Kind kind = Kind::kBytes;
  };
  struct Sending {
    Frame frame;
    const std::byte* data = nullptr;
    std::atomic<bool> done{false};
  };
  struct Receiving {
    std::byte* data = nullptr;
    std::size_t bytes = 0;
    std::atomic<bool> done{false};
  };
  struct Peer {
    explicit Peer(Socket connected) : socket(std::move(connected)) {}
    Socket socket;
    bool lost = false;
    bool end_seen = false;
    bool writing = false;
    std::deque<std::shared_ptr<Sending>> to_send;  // the first is being written, if any is
    Frame incoming;
    std::shared_ptr<Receiving> reading;                              // into memory of a caller
    std::vector<std::byte> kept;                                     // being read, or empty
    std::map<int, std::deque<std::shared_ptr<Receiving>>> expected;  // by tag
    std::map<int, std::deque<std::vector<std::byte>>> early;         // by tag
  };
  using PeerPointer = std::shared_ptr<Peer>;
  template <class State>
  class Waited;

  PeerPointer peer_of(int rank) const;
  void poll();
  void write_next(const PeerPointer& peer);
  void read_frame(const PeerPointer& peer);
  void read_bytes(const PeerPointer& peer);
  void on_frame(const PeerPointer& peer);
  void on_bytes(const PeerPointer& peer);
  static void lose(Peer& peer);
  static void cancel(Peer& peer, const std::shared_ptr<Sending>& sending);
  static void cancel(Peer& peer, const std::shared_ptr<Receiving>& receiving);

  std::atomic<bool> abandoned_{false};
  std::mutex mutex_;  // guards all below but boxes_
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> open_{context_.get_executor()};
  std::map<int, PeerPointer> peers_;
  std::vector<std::vector<int>> boxes_;
};

}  // namespace mutirao::comm::internal
