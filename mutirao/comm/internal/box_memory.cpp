#include "mutirao/comm/internal/box_memory.hpp"

#include <limits>

#include <fmt/format.h>

#include "mutirao/core/futex.hpp"

namespace mutirao::comm::internal {
namespace {

constexpr std::size_t kPage = 4096;

std::size_t rounded_up(std::size_t bytes, std::size_t unit) noexcept {
  return (bytes + unit - 1) / unit * unit;
}

std::string_view name_of(Operation operation) noexcept {
  switch (operation) {
    case Operation::kBarrier:
      return "barrier";
    case Operation::kAllReduce:
      return "all_reduce";
    case Operation::kBroadcast:
      return "broadcast";
    case Operation::kReduce:
      return "reduce";
    case Operation::kReduceScatter:
      return "reduce_scatter";
    case Operation::kAllGather:
      return "all_gather";
    case Operation::kAllocate:
      return "allocate";
  }
  return "unknown";
}

/// Where each part starts, the last entry being the end of all.
struct Layout {
  std::size_t failure, ranks, slots, headers, claims, channels, channel_bytes, staging, end;

  explicit Layout(const BoxMemory::Shape& shape) noexcept {
    const std::size_t n = shape.ranks;
    failure = 0;
    ranks = rounded_up(sizeof(FailureRecord), kLine);
    slots = ranks + n * sizeof(RankEntry);
    headers = slots + kSlots * sizeof(Slot);
    claims = headers + kSlots * n * sizeof(HeaderLine);
    channels = claims + kSlots * n * sizeof(ClaimLine);
    channel_bytes = rounded_up(channels + n * n * sizeof(PairChannel), kPage);
    staging = rounded_up(channel_bytes + n * n * kChannelPieces * shape.piece_bytes, kPage);
    end = staging + n * shape.staging_bytes;
  }
};

}  // namespace

std::string describe(const CollectiveHeader& header) {
  std::string text(name_of(header.operation));
  switch (header.operation) {
    case Operation::kBarrier:
      return text;
    case Operation::kAllocate:
      return fmt::format("{} of {} bytes", text, header.count);
    case Operation::kAllReduce:
    case Operation::kReduce:
    case Operation::kReduceScatter:
      text += fmt::format(" ({})", comm::name_of(header.reduction));
      break;
    case Operation::kBroadcast:
    case Operation::kAllGather:
      break;
  }
  text += fmt::format(" of {} {}", header.whole > 0 ? header.whole : header.count,
                      comm::name_of(header.type));
  if (header.root >= 0) text += fmt::format(", root {}", header.root);
  return text;
}

std::size_t BoxMemory::bytes_of(const Shape& shape) noexcept { return Layout(shape).end; }

BoxMemory::BoxMemory(std::byte* base, const Shape& shape) noexcept : shape_(shape) {
  const Layout layout(shape);
  failure_ = reinterpret_cast<FailureRecord*>(base + layout.failure);
  ranks_ = reinterpret_cast<RankEntry*>(base + layout.ranks);
  slots_ = reinterpret_cast<Slot*>(base + layout.slots);
  headers_ = reinterpret_cast<HeaderLine*>(base + layout.headers);
  claims_ = reinterpret_cast<ClaimLine*>(base + layout.claims);
  channels_ = reinterpret_cast<PairChannel*>(base + layout.channels);
  channel_bytes_ = base + layout.channel_bytes;
  staging_ = base + layout.staging;
}

void BoxMemory::ring(std::size_t index) const noexcept {
  RankEntry& entry = ranks_[index];
  if (entry.sleepers.load(std::memory_order_seq_cst) == 0) return;
  entry.bell.fetch_add(1, std::memory_order_seq_cst);
  core::futex_wake(entry.bell, std::numeric_limits<int>::max(), core::FutexScope::kShared);
}

void BoxMemory::ring_all() const noexcept {
  for (std::size_t i = 0; i < shape_.ranks; ++i) ring(i);
}

}  // namespace mutirao::comm::internal
