#pragma once

#include <cstddef>
#include <memory>
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
};

/// Tags: what a transfer is for.
enum LinkTag : int {
  kLetterTag = 1,         ///< signs of life, failures
  kMessageHeaderTag = 2,  ///< Communicator::send
  kMessageTag = 3,
  kFirstExchangeTag = 16  ///< collectives: from here on
};

}  // namespace mutirao::comm::internal
