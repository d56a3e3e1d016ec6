#pragma once

// Shared memory for the large blocks of arguments and results, kept warm for the next.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "mutirao/core/archive.hpp"
#include "mutirao/core/shared_memory.hpp"
#include "mutirao/exec/internal/channel.hpp"

namespace mutirao::exec::internal {

// Note [Why large blocks are kept]
// Copying 100 MB takes 20 ms; having the system find, clear and map 25,000 fresh pages for them
// takes three times as long, once for whoever writes and once more for whoever reads. So memory
// that was written for a large block is written again for the next one: both sides still have it
// mapped. Nobody writes a block before its last reader is done: the program's blocks are free when
// nothing but the cache refers to them, and a worker that was given one is done with it when its
// task is, or when it is dead. A worker's blocks are free when the program has said so in
// ChannelHeader::block_taken. What has not been used for a second or two is let go of.

/// The program's, for arguments. Thread-safe.
class BlockCache final : public core::BlockSource {
 public:
  static constexpr std::size_t kMostBlocks = 16;
  static constexpr std::size_t kMostBytes = std::size_t{1} << 30;

  std::shared_ptr<core::SharedMemory> take(std::size_t bytes) noexcept override;
  /// Lets go of blocks that were not taken since the last call; false when none is left.
  bool age();
  /// Lets go of all that are free.
  void clear();

 private:
  struct Block {
    std::shared_ptr<core::SharedMemory> memory;
    bool taken_lately = true;
    bool free() const noexcept { return memory.use_count() == 1; }
  };

  std::mutex mutex_;
  std::vector<Block> blocks_;
};

/// A worker's, for results. One thread.
class ReplyBlocks final : public core::BlockSource {
 public:
  static constexpr std::size_t kMostBytes = std::size_t{512} << 20;

  explicit ReplyBlocks(ChannelHeader& header) noexcept : header_(header) {}

  std::shared_ptr<core::SharedMemory> take(std::size_t bytes) noexcept override;
  /// Which of the blocks it is, as Mail has it: 0 for other memory.
  BlockId id_of(const core::SharedMemory& memory) const noexcept;
  /// The block will not be sent after all.
  void put_back(const core::SharedMemory& memory) noexcept;
  /// Lets go of the block, if it is free.
  void forget(BlockId id) noexcept;
  /// While off, take() gives nothing and nothing is kept: what a task with a memory limit makes is
  /// counted.
  void enable(bool on) noexcept;

 private:
  struct Block {
    std::shared_ptr<core::SharedMemory> memory;
    std::uint32_t serial = 0;
  };
  bool taken(std::size_t i) const noexcept {
    return header_.block_taken[i].load(std::memory_order_acquire) != 0;
  }

  ChannelHeader& header_;
  std::array<Block, ChannelHeader::kBlocks> blocks_;
  std::uint32_t last_serial_ = 0;
  bool enabled_ = true;
};

/// What the program has mapped of a worker's blocks. Guarded by the pool's mutex.
class MappedBlocks {
 public:
  /// The memory of a block that the worker sent with this mail; its last reference says that the
  /// block is free.
  std::shared_ptr<core::SharedMemory> receive(const std::shared_ptr<Channel>& channel,
                                              const Mail& mail, core::UniqueFd fd);
  /// Sent, but not wanted.
  static void release(const Channel& channel, BlockId id) noexcept;
  /// Unmaps blocks that were not received since the last call, and says which; `left`: whether
  /// there are others.
  std::vector<BlockId> age(bool& left);

 private:
  struct Block {
    std::shared_ptr<core::SharedMemory> memory;
    std::uint32_t serial = 0;
    bool received_lately = false;
  };
  std::array<Block, ChannelHeader::kBlocks> blocks_;
};

}  // namespace mutirao::exec::internal
