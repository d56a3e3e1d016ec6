#include "mutirao/exec/internal/block_cache.hpp"

#include <algorithm>
#include <utility>

#include "mutirao/core/error.hpp"

namespace mutirao::exec::internal {
namespace {

/// Room for a somewhat larger block next time.
constexpr std::size_t rounded(std::size_t bytes) noexcept {
  constexpr std::size_t kUnit = core::kLargeBlock;
  return (bytes + kUnit - 1) / kUnit * kUnit;
}

bool suits(const core::SharedMemory& memory, std::size_t bytes) noexcept {
  return memory.size() >= bytes && memory.size() / 2 <= rounded(bytes);
}

}  // namespace

std::shared_ptr<core::SharedMemory> BlockCache::take(std::size_t bytes) noexcept try {
  if (bytes > kMostBytes) return nullptr;
  const std::lock_guard lock(mutex_);
  for (Block& each : blocks_) {
    if (!each.free() || !suits(*each.memory, bytes)) continue;
    each.taken_lately = true;
    // The copy's read-modify-write of the count comes after those of all who let go.
    return each.memory;
  }
  std::size_t kept = rounded(bytes);
  for (const Block& each : blocks_) kept += each.memory->size();
  const auto full = [&] { return blocks_.size() >= kMostBlocks || kept > kMostBytes; };
  for (auto each = blocks_.begin(); full() && each != blocks_.end();) {
    if (!each->free()) {
      ++each;
      continue;
    }
    kept -= each->memory->size();
    each = blocks_.erase(each);
  }
  if (full()) return nullptr;
  std::shared_ptr<core::SharedMemory> memory = core::SharedMemory::create(rounded(bytes));
  // For those who receive it; this mapping stays writable.
  memory->freeze();
  blocks_.push_back({memory});
  return memory;
} catch (...) {
  // No memory or no descriptors for it: the block goes into the payload.
  return nullptr;
}

bool BlockCache::age() {
  std::vector<Block> dropped;
  const std::lock_guard lock(mutex_);
  for (auto each = blocks_.begin(); each != blocks_.end();) {
    if (std::exchange(each->taken_lately, false) || !each->free()) {
      ++each;
    } else {
      dropped.push_back(std::move(*each));
      each = blocks_.erase(each);
    }
  }
  return !blocks_.empty();
}

void BlockCache::clear() {
  age();
  age();
}

std::shared_ptr<core::SharedMemory> ReplyBlocks::take(std::size_t bytes) noexcept try {
  if (!enabled_) return nullptr;
  std::size_t kept = rounded(bytes);
  std::size_t place = blocks_.size();
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    Block& block = blocks_[i];
    if (block.memory && !taken(i) && suits(*block.memory, bytes)) {
      header_.block_taken[i].store(1, std::memory_order_relaxed);
      return block.memory;
    }
    if (block.memory) kept += block.memory->size();
    // An empty place before one whose block is too small.
    if (!taken(i) && (place == blocks_.size() || !block.memory)) place = i;
  }
  if (place == blocks_.size()) return nullptr;
  Block& block = blocks_[place];
  if (block.memory) kept -= block.memory->size();
  block.memory = nullptr;
  if (kept > kMostBytes) return nullptr;
  block.memory = core::SharedMemory::create(rounded(bytes));
  block.memory->freeze();
  block.serial = ++last_serial_;
  header_.block_taken[place].store(1, std::memory_order_relaxed);
  return block.memory;
} catch (...) {
  return nullptr;
}

BlockId ReplyBlocks::id_of(const core::SharedMemory& memory) const noexcept {
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (blocks_[i].memory.get() == &memory)
      return {static_cast<std::uint32_t>(i), blocks_[i].serial};
  }
  return {};
}

void ReplyBlocks::put_back(const core::SharedMemory& memory) noexcept {
  if (const BlockId id = id_of(memory))
    header_.block_taken[id.place].store(0, std::memory_order_relaxed);
}

void ReplyBlocks::forget(BlockId id) noexcept {
  if (!id || id.place >= blocks_.size() || taken(id.place)) return;
  Block& block = blocks_[id.place];
  if (block.serial == id.serial) block.memory = nullptr;
}

void ReplyBlocks::enable(bool on) noexcept {
  enabled_ = on;
  if (on) return;
  for (Block& block : blocks_) block.memory = nullptr;
}

std::shared_ptr<core::SharedMemory> MappedBlocks::receive(const std::shared_ptr<Channel>& channel,
                                                          const Mail& mail, core::UniqueFd fd) {
  const std::uint32_t place = mail.block.place;
  if (place >= blocks_.size()) throw core::InternalError("a worker's reply is unreadable");
  Block& block = blocks_[place];
  if (!block.memory || block.serial != mail.block.serial) {
    block.memory = nullptr;
    block.memory = core::SharedMemory::open(std::move(fd), mail.offset, mail.bytes, true);
    block.serial = mail.block.serial;
  }
  block.received_lately = true;
  core::SharedMemory* const memory = block.memory.get();
  return {memory, [channel, id = mail.block, kept = block.memory](core::SharedMemory*) {
            release(*channel, id);
          }};
}

void MappedBlocks::release(const Channel& channel, BlockId id) noexcept {
  if (!id || id.place >= ChannelHeader::kBlocks) return;
  channel.header().block_taken[id.place].store(0, std::memory_order_release);
}

std::vector<BlockId> MappedBlocks::age(bool& left) {
  std::vector<BlockId> dropped;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    Block& block = blocks_[i];
    if (!block.memory) continue;
    if (std::exchange(block.received_lately, false) || block.memory.use_count() > 1) {
      left = true;
      continue;
    }
    dropped.push_back({static_cast<std::uint32_t>(i), block.serial});
    block = {};
  }
  return dropped;
}

}  // namespace mutirao::exec::internal
