#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace mutirao::comm::internal {

/// Bytes between ranks of different boxes. Peers are ranks of the world; messages of one sender,
/// receiver and tag arrive in order. Nothing blocks. Thread safety: any thread.
class Link {
 public:
  /// A transfer under way; its memory must stay until done() or cancel().
  class Transfer {
   public:
    Transfer() = default;
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;
    virtual ~Transfer() = default;
    /// Throws core::IoError.
    virtual bool done() = 0;
  };

  Link() = default;
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  virtual ~Link() = default;

  virtual std::unique_ptr<Transfer> send(const std::byte* data, std::size_t bytes, int to,
                                         int tag) = 0;
  virtual std::unique_ptr<Transfer> receive(std::byte* data, std::size_t bytes, int from,
                                            int tag) = 0;
  /// The ranks of each box, ascending; boxes in the order of their first ranks.
  virtual const std::vector<std::vector<int>>& boxes() const = 0;
  /// Whether it is known that nothing more will come from that rank. Transfers with it never end.
  virtual bool is_lost(int /*rank*/) { return false; }
  /// Called now and then, whatever the rank is doing.
  virtual void tick() {}
  /// The group has failed: at its end there is little to wait for.
  virtual void abandon() noexcept {}
  /// Sleeps until something comes or the time is over; false when it cannot, and did not.
  virtual bool sleep(std::chrono::milliseconds /*at_most*/) { return false; }
};

/// What the ranks of a world know when they are connected over a Link.
struct LinkedWorld {
  std::unique_ptr<Link> link;
  std::string token;  ///< the same on all ranks, different in every other group
};

/// Tags: what a transfer is for.
enum LinkTag : int {
  kLetterTag = 1,         ///< signs of life, failures
  kMessageHeaderTag = 2,  ///< Communicator::send
  kMessageTag = 3,
  kMeetingTag = 4,        ///< the link's own, before it is handed out
  kFirstExchangeTag = 16  ///< collectives: from here on
};

}  // namespace mutirao::comm::internal
