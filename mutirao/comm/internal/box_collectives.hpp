#pragma once

// Note [Whoever waits does the work]
// A collective of one box needs no thread of its own and, once all ranks have come, no rank in
// particular. Every rank writes its header and counts itself in; the last one compares the headers
// and opens the slot. The work is cut into one slice per rank (so that a rank finds its own part in
// its cache) and each slice into chunks, which are claimed one by one: a rank takes those of its
// own slice first, then those that others have not come to. An element is computed by one rank,
// from all ranks' memory in rank order, and written to all: the same bytes whoever does it. The
// last chunk closes the slot.
//
//   open(s) --last arrival--> ready(s) --last chunk--> done(s) = open(s + 64)
//
// So the two barriers of the classical in-place algorithm are the arrival and the completion, and a
// rank that is busy computing (a backward pass) delays nobody once it has posted. What is small is
// done whole by the last to arrive, without opening the slot.

#include <cstdint>
#include <memory>
#include <vector>

#include "mutirao/comm/internal/box_memory.hpp"
#include "mutirao/comm/internal/failure_board.hpp"
#include "mutirao/comm/internal/reduce_kernels.hpp"

namespace mutirao::comm::internal {

/// Where each rank of the box has its part of a buffer, as mapped here.
struct Segments {
  std::vector<std::byte*> bases;
  std::size_t bytes = 0;         ///< of each
  std::shared_ptr<void> memory;  ///< keeps them mapped
};

/// One collective under way, as its rank sees it.
struct Collective {
  std::uint64_t sequence = 0;
  CollectiveHeader header;
  std::shared_ptr<const Segments> segments;
  bool own_slice_done = false;
};

class BoxCollectives {
 public:
  enum class Help { kOwnSlice, kEverything };
  struct Options {
    std::size_t index = 0;     ///< of this rank within the box
    std::vector<int> members;  ///< the ranks of the box, in order
    int world_size = 1;
    /// Between ready and done somebody else works (ranks in other boxes take part).
    bool finished_elsewhere = false;
    std::size_t chunk_bytes = 64 << 10;
    std::size_t small_bytes = 32 << 10;  ///< read or written in all, for one rank to do it alone
  };

  BoxCollectives(const BoxMemory& memory, Options options);

  /// Whether the slot of that number is free again.
  bool can_post(std::uint64_t sequence) const noexcept;
  /// Comes to the collective. Throws CollectiveMismatch when this is the last rank and they differ.
  void post(Collective& collective);
  /// Does what there is to do. True when the collective is complete.
  bool advance(Collective& collective, Help help);
  bool is_done(const Collective& collective) const noexcept;
  /// All ranks of the box have come.
  bool is_ready(const Collective& collective) const noexcept;
  /// Cheap: whether advance() may find something to do.
  bool looks_ready(const Collective& collective) const noexcept {
    return is_ready(collective) || is_done(collective);
  }
  bool has_arrived(std::uint64_t sequence, std::size_t index) const noexcept {
    return memory_.rank(index).posted.load(std::memory_order_acquire) > sequence;
  }
  /// With finished_elsewhere: the work is done.
  void complete(const Collective& collective) noexcept;

 private:
  struct Range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };

  std::string mismatch(const Collective& collective, std::size_t other) const;
  void open(Collective& collective);
  Range slice(const CollectiveHeader& header, std::size_t owner) const noexcept;
  std::uint32_t chunks_in(const CollectiveHeader& header, std::size_t owner) const noexcept;
  std::uint64_t chunk_elements(const CollectiveHeader& header) const noexcept;
  void run(const Collective& collective, std::size_t owner, Range range) const;
  /// Claims and runs chunks of one slice. True when that was the end of the whole collective.
  bool work_on(const Collective& collective, std::size_t owner);

  const BoxMemory memory_;
  const Options options_;
  const FailureBoard board_;
  const ReduceKernels& kernels_;
};

}  // namespace mutirao::comm::internal
