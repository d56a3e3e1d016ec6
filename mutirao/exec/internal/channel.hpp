#pragma once

// The memory that a program and one of its workers share.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "mutirao/core/mapping.hpp"
#include "mutirao/core/unique_fd.hpp"
#include "mutirao/exec/internal/function_id.hpp"
#include "mutirao/exec/internal/progress_cell.hpp"

namespace mutirao::exec::internal {

// Note [The ring and its state words]
// A channel is a ring of slots. Task number n of a worker lives in slot n % kSlots; the worker
// takes them in order. Every slot has one state word, `number * 8 + state`, so that a word read
// late is never taken for another task's. Who may change it, and to what:
//
//   program:  (free) -> kQueued          the request is complete
//             kQueued -> kRecalled       compare-and-swap: only if the worker has not begun it
//   worker:   kQueued -> kDecoding       compare-and-swap: from here on the task has started
//             kDecoding -> kRunning -> kEncoding
//             any of these -> kDone      the reply is complete
//             kRecalled -> kDone         nothing was run; the slot is free again
//
// The program reuses a slot only after kDone. After a death the last state says whether a task had
// started, and how far it was; then the channel is thrown away, never repaired.
//
// See also Note [Why no lock is shared between processes] in process_executor.cpp.
enum class SlotState : std::uint64_t {
  kFree,
  kQueued,
  kRecalled,
  kDecoding,
  kRunning,
  kEncoding,
  kDone
};

constexpr std::uint64_t state_word(std::uint64_t number, SlotState state) noexcept {
  return number << 3 | static_cast<std::uint64_t>(state);
}
constexpr SlotState state_of(std::uint64_t word) noexcept {
  return static_cast<SlotState>(word & 7);
}

/// Where the bytes of a request or a reply lie.
enum class Place : std::uint32_t { kInSlot, kInArena, kInFile };

struct alignas(64) Slot {
  static constexpr std::size_t kInline = 256;

  std::atomic<std::uint64_t> state;

  // The request: `attachments` memory numbers, then the encoded call. Written before kQueued.
  std::uint64_t request_bytes;
  std::uint64_t request_at;  // in the arena, or the number of the memory that holds it
  std::uint32_t request_attachments;
  Place request_place;
  std::uint64_t memory_limit;  // bytes; 0: none
  std::uint32_t cores;         // that the task holds

  // The reply: the encoded outcome; its attachments came over the socket before. Written before
  // kDone.
  std::uint64_t reply_bytes;
  std::uint64_t reply_at;
  std::uint64_t reply_arena_end;  // what the worker's allocator had reached
  std::uint32_t reply_attachments;
  Place reply_place;
  std::uint32_t failed;           // the outcome is an exception
  std::uint32_t microseconds_16;  // 1/16 microseconds that the task took, at most 2^32 - 1

  std::atomic<std::int64_t> began_at;  // steady clock; written before kDecoding
  ProgressCell progress;
  std::byte inline_bytes[kInline];
};

/// What a signal handler in the worker leaves behind.
struct CrashReport {
  static constexpr std::size_t kMostFrames = 64;
  std::atomic<std::uint32_t> signal;  // written last; 0: it had no chance
  std::uint32_t stack_overflow;
  std::uint32_t frame_count;
  FunctionId frames[kMostFrames];  // innermost first
};

/// One of the blocks that a worker keeps for results; see Note [Why large blocks are kept].
struct BlockId {
  std::uint32_t place = 0;
  std::uint32_t serial = 0;  // of the memory in that place; 0: no block
  explicit operator bool() const noexcept { return serial != 0; }
};

struct ChannelHeader {
  static constexpr std::size_t kBlocks = 4;

  // Written by the program.
  alignas(64) std::atomic<std::uint64_t> notify_at;  // ring the bell from this many tasks done on
  std::atomic<std::uint64_t> replies_released;       // the reply arena is free up to here
  std::atomic<std::uint32_t> stop;                   // end when idle
  std::atomic<std::uint32_t> mail;                   // read the socket when idle
  std::atomic<std::uint32_t> doorbell;               // moves when the worker is woken
  std::atomic<std::uint32_t> stop_task;              // stop_mark of the task that should end

  // Written by the worker; the program takes `asleep` back when it wakes it.
  alignas(64) std::atomic<std::uint32_t> asleep;
  std::atomic<std::uint32_t> ready;         // the worker's process, once it has reached its loop
  std::atomic<std::uint64_t> shared_bytes;  // of shared memory that the worker made and still has
  std::atomic<std::uint32_t> socket_full;   // the worker waits until the program has read its mail
  // The worker sets one when it takes the block, the program clears it when nobody reads it.
  std::atomic<std::uint32_t> block_taken[kBlocks];
  CrashReport crash;
};

/// What ChannelHeader::stop_task holds for a task: never 0, and for long not that of another task.
constexpr std::uint32_t stop_mark(std::uint64_t number) noexcept {
  return static_cast<std::uint32_t>(number) | 1U << 31;
}

/// How workers wake the program: one per executor. A worker that finds it armed disarms it, moves
/// the epoch and wakes whoever armed it.
struct Bell {
  enum Armed : std::uint32_t { kNobody = 0, kLeader = 1, kServer = 2 };
  alignas(64) std::atomic<std::uint32_t> epoch;
  std::atomic<std::uint32_t> armed;

  void ring() noexcept;
  /// Wakes whoever sleeps, armed or not.
  void wake_everybody() noexcept;
  void wake_server() noexcept;
};

/// A mapped channel.
class Channel {
 public:
  static constexpr std::size_t kSlots = 128;
  static constexpr std::size_t kArena = 1 << 20;  // each way
  static constexpr std::size_t kLargestInArena = kArena / 4;

  /// Fresh, or, with a descriptor, the one that the program made. Throws IoError.
  Channel();
  explicit Channel(core::UniqueFd fd);

  int descriptor() const noexcept { return fd_.get(); }
  ChannelHeader& header() const noexcept { return *static_cast<ChannelHeader*>(mapping_.data()); }
  Slot& slot(std::uint64_t number) const noexcept { return slots()[number % kSlots]; }
  std::byte* request_arena() const noexcept {
    return reinterpret_cast<std::byte*>(slots() + kSlots);
  }
  std::byte* reply_arena() const noexcept { return request_arena() + kArena; }

  /// Wakes the worker if it sleeps. What was stored before, seq_cst, it then sees.
  void wake_worker() const noexcept;

 private:
  Slot* slots() const noexcept {
    return reinterpret_cast<Slot*>(static_cast<std::byte*>(mapping_.data()) +
                                   sizeof(ChannelHeader));
  }

  core::UniqueFd fd_;
  core::Mapping mapping_;
};

/// Hands out ranges of a ring of bytes, in order, and takes them back in order. Positions count
/// from the beginning of time; a range never wraps.
class RingAllocator {
 public:
  static constexpr std::uint64_t kFull = ~std::uint64_t{0};

  /// The position of `bytes` bytes, or kFull. `released`: everything before is free.
  std::uint64_t allocate(std::size_t bytes, std::uint64_t released) noexcept;
  /// The position after the last range.
  std::uint64_t end() const noexcept { return end_; }

 private:
  std::uint64_t end_ = 0;
};

/// What travels over a worker's socket beside the ring; descriptors accompany kMemory.
struct Mail {
  enum Kind : std::uint32_t { kMemory, kDrop, kForgetBlock };
  Kind kind;
  std::uint32_t frozen;
  std::uint64_t number;  // of the memory (to the worker) or of the task (to the program)
  std::uint64_t bytes;
  std::uint64_t offset;
  BlockId block;  // to the program: the memory is one of the worker's blocks
};

}  // namespace mutirao::exec::internal
