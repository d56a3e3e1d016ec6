#include "mutirao/exec/internal/channel.hpp"

#include <climits>
#include <new>
#include <type_traits>

#include "mutirao/core/futex.hpp"
#include "mutirao/core/shared_memory.hpp"

namespace mutirao::exec::internal {
namespace {

constexpr std::size_t kChannelBytes =
    sizeof(ChannelHeader) + Channel::kSlots * sizeof(Slot) + 2 * Channel::kArena;

// Fresh memory is zero, and zero is the initial state of everything in a channel.
static_assert(std::is_trivially_destructible_v<Slot> && std::is_trivially_destructible_v<Bell>);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace

void Bell::ring() noexcept {
  if (armed.load(std::memory_order_seq_cst) == kNobody) return;
  const std::uint32_t who = armed.exchange(kNobody, std::memory_order_seq_cst);
  if (who == kNobody) return;
  epoch.fetch_add(1, std::memory_order_seq_cst);
  core::futex_wake(epoch, 1, core::FutexScope::kShared, who);
}

void Bell::wake_everybody() noexcept {
  armed.store(kNobody, std::memory_order_seq_cst);
  epoch.fetch_add(1, std::memory_order_seq_cst);
  core::futex_wake(epoch, INT_MAX, core::FutexScope::kShared);
}

void Bell::wake_server() noexcept {
  epoch.fetch_add(1, std::memory_order_seq_cst);
  core::futex_wake(epoch, INT_MAX, core::FutexScope::kShared, kServer);
}

Channel::Channel() : fd_(core::create_memory_file(kChannelBytes)) {
  mapping_ = core::Mapping(fd_.get(), kChannelBytes, core::Mapping::Access::kReadWrite);
}

Channel::Channel(core::UniqueFd fd)
    : fd_(std::move(fd)), mapping_(fd_.get(), kChannelBytes, core::Mapping::Access::kReadWrite) {}

void Channel::wake_worker() const noexcept {
  ChannelHeader& shared = header();
  if (shared.asleep.load(std::memory_order_seq_cst) == 0 ||
      shared.asleep.exchange(0, std::memory_order_seq_cst) == 0)
    return;
  shared.doorbell.fetch_add(1, std::memory_order_seq_cst);
  core::futex_wake(shared.doorbell, 1, core::FutexScope::kShared);
}

std::uint64_t RingAllocator::allocate(std::size_t bytes, std::uint64_t released) noexcept {
  // An empty ring begins anew, where its memory is warm.
  std::uint64_t start = end_;
  if (released == end_) start = (end_ + Channel::kArena - 1) / Channel::kArena * Channel::kArena;
  if (start % Channel::kArena + bytes > Channel::kArena)
    start = (start / Channel::kArena + 1) * Channel::kArena;
  if (start + bytes - released > Channel::kArena && released != end_) return kFull;
  end_ = start + bytes;
  return start;
}

}  // namespace mutirao::exec::internal
