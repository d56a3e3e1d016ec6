#include "mutirao/comm/internal/box_collectives.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace mutirao::comm::internal {
namespace {

enum class Phase : std::uint32_t { kReady = 1, kDone = 2 };

std::uint32_t state_word(std::uint64_t sequence, Phase phase) noexcept {
  return static_cast<std::uint32_t>(sequence << 2) | static_cast<std::uint32_t>(phase);
}

std::uint64_t claim_word(std::uint64_t sequence) noexcept { return sequence << 32; }

/// Pointers for the kernels, on the stack for boxes of ordinary size.
class Pointers {
 public:
  explicit Pointers(std::size_t count) {
    if (count > few_.size()) many_.resize(count);
  }
  std::byte** data() noexcept { return many_.empty() ? few_.data() : many_.data(); }

 private:
  std::array<std::byte*, 16> few_;
  std::vector<std::byte*> many_;
};

}  // namespace

void BoxMemory::start() noexcept {
  for (std::uint64_t slot = 0; slot < kSlots; ++slot) {
    // As if the collective before the first in this slot were done.
    slots_[slot].state.store(state_word(slot - kSlots, Phase::kDone), std::memory_order_relaxed);
    for (std::size_t i = 0; i < shape_.ranks; ++i)
      claim(slot, i).store(claim_word(slot), std::memory_order_relaxed);
  }
}

BoxCollectives::BoxCollectives(const BoxMemory& memory, Options options)
    : memory_(memory),
      options_(std::move(options)),
      board_(memory),
      kernels_(reduce_kernels(core::instruction_set())) {}

bool BoxCollectives::can_post(std::uint64_t sequence) const noexcept {
  return memory_.slot(sequence).state.load(std::memory_order_acquire) ==
         state_word(sequence - kSlots, Phase::kDone);
}

void BoxCollectives::post(Collective& collective) {
  const std::uint64_t sequence = collective.sequence;
  Slot& slot = memory_.slot(sequence);
  RankEntry& me = memory_.rank(options_.index);
  const CollectiveHeader& header = collective.header;
  memory_.header(sequence, options_.index) = header;
  me.last_count.store(header.count, std::memory_order_relaxed);
  me.last_operation.store(header.operation, std::memory_order_relaxed);
  me.last_type.store(header.type, std::memory_order_relaxed);
  me.last_reduction.store(header.reduction, std::memory_order_relaxed);
  me.posted.store(sequence + 1, std::memory_order_release);
  if (slot.arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == memory_.ranks()) open(collective);
}

std::string BoxCollectives::mismatch(const Collective& collective, std::size_t other) const {
  const CollectiveHeader& theirs = memory_.header(collective.sequence, other);
  const auto place = [](const CollectiveHeader& header) {
    return header.buffer == 0
               ? std::string(" (staged)")
               : fmt::format(" at byte {} of buffer {}", header.offset, header.buffer);
  };
  const bool same_words = describe(theirs) == describe(collective.header);
  const auto words = [&](const CollectiveHeader& header) {
    return describe(header) + (same_words ? place(header) : std::string());
  };
  const std::pair<int, std::string> mine{options_.members[options_.index],
                                         words(collective.header)};
  const std::pair<int, std::string> other_one{options_.members[other], words(theirs)};
  const auto& first = std::min(mine, other_one);
  const auto& second = std::max(mine, other_one);
  return fmt::format("collective {} differs: rank {} came to {}, rank {} to {}",
                     collective.sequence, first.first, first.second, second.first, second.second);
}

void BoxCollectives::open(Collective& collective) {
  const CollectiveHeader& header = collective.header;
  for (std::size_t i = 0; i < memory_.ranks(); ++i) {
    if (memory_.header(collective.sequence, i) == header) continue;
    const Failure failure{core::ErrorCode::kCollectiveMismatch, options_.members[i],
                          mismatch(collective, i),
                          "all ranks must call the same collectives, with the same sizes, in the "
                          "same order"};
    board_.fail(failure);
    raise(board_.read());
  }
  Slot& slot = memory_.slot(collective.sequence);
  if (!options_.finished_elsewhere) {
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < memory_.ranks(); ++i) {
      const Range range = slice(header, i);
      bytes += (range.end - range.begin) * size_of(header.type) * memory_.ranks();
    }
    if (bytes <= options_.small_bytes) {
      for (std::size_t i = 0; i < memory_.ranks(); ++i) run(collective, i, slice(header, i));
      complete(collective);
      return;
    }
  }
  slot.state.store(state_word(collective.sequence, Phase::kReady), std::memory_order_seq_cst);
  memory_.ring_all();
}

bool BoxCollectives::is_ready(const Collective& collective) const noexcept {
  return memory_.slot(collective.sequence).state.load(std::memory_order_acquire) ==
         state_word(collective.sequence, Phase::kReady);
}

bool BoxCollectives::is_done(const Collective& collective) const noexcept {
  // The slot may serve a later collective already: wrapping difference of the sequences.
  const std::uint32_t state =
      memory_.slot(collective.sequence).state.load(std::memory_order_acquire);
  return static_cast<std::int32_t>(state - state_word(collective.sequence, Phase::kDone)) >= 0;
}

void BoxCollectives::complete(const Collective& collective) noexcept {
  Slot& slot = memory_.slot(collective.sequence);
  // For the next tenant of the slot, which comes after `state` says done. A rank that still tries
  // to claim a chunk of this one finds another sequence in the word.
  slot.arrived.store(0, std::memory_order_relaxed);
  slot.chunks_done.store(0, std::memory_order_relaxed);
  for (std::size_t i = 0; i < memory_.ranks(); ++i)
    memory_.claim(collective.sequence, i)
        .store(claim_word(collective.sequence + kSlots), std::memory_order_relaxed);
  slot.state.store(state_word(collective.sequence, Phase::kDone), std::memory_order_seq_cst);
  memory_.ring_all();
}

BoxCollectives::Range BoxCollectives::slice(const CollectiveHeader& header,
                                            std::size_t owner) const noexcept {
  if (header.on_device != 0) return {};
  switch (header.operation) {
    case Operation::kBarrier:
    case Operation::kAllocate:
      return {};
    case Operation::kReduceScatter:
    case Operation::kAllGather: {
      const auto block = static_cast<std::uint64_t>(options_.members[owner]);
      return {block * header.count, (block + 1) * header.count};
    }
    case Operation::kAllReduce:
    case Operation::kBroadcast:
    case Operation::kReduce:
      break;
  }
  // Cut where cache lines end, so that no two ranks write to one.
  const std::uint64_t unit = kLine / size_of(header.type);
  const std::uint64_t units = (header.count + unit - 1) / unit;
  const std::uint64_t ranks = memory_.ranks();
  const auto cut = [&](std::uint64_t i) {
    return std::min(header.count, (units * i / ranks) * unit);
  };
  return {cut(owner), owner + 1 == ranks ? header.count : cut(owner + 1)};
}

std::uint64_t BoxCollectives::chunk_elements(const CollectiveHeader& header) const noexcept {
  return options_.chunk_bytes / size_of(header.type);
}

std::uint32_t BoxCollectives::chunks_in(const CollectiveHeader& header,
                                        std::size_t owner) const noexcept {
  const Range range = slice(header, owner);
  const std::uint64_t per_chunk = chunk_elements(header);
  return static_cast<std::uint32_t>((range.end - range.begin + per_chunk - 1) / per_chunk);
}

void BoxCollectives::run(const Collective& collective, std::size_t owner, Range range) const {
  const CollectiveHeader& header = collective.header;
  if (range.begin >= range.end) return;
  const std::size_t ranks = memory_.ranks();
  const std::size_t start = header.offset + range.begin * size_of(header.type);
  const std::size_t count = range.end - range.begin;
  const auto& bases = collective.segments->bases;
  const auto at = [&](std::size_t index) { return bases[index] + start; };
  const auto root_index = [&] {
    return static_cast<std::size_t>(
        std::find(options_.members.begin(), options_.members.end(), header.root) -
        options_.members.begin());
  };

  if (header.operation == Operation::kBroadcast || header.operation == Operation::kAllGather) {
    const std::size_t from = header.operation == Operation::kAllGather ? owner : root_index();
    for (std::size_t i = 0; i < ranks; ++i) {
      if (i != from) std::memcpy(at(i), at(from), count * size_of(header.type));
    }
    return;
  }
  Pointers sources(ranks);
  Pointers destinations(ranks);
  for (std::size_t i = 0; i < ranks; ++i) sources.data()[i] = at(i);
  std::size_t destination_count = 1;
  if (header.operation == Operation::kAllReduce) {
    destination_count = ranks;
    std::copy_n(sources.data(), ranks, destinations.data());
  } else {
    destinations.data()[0] = at(header.operation == Operation::kReduce ? root_index() : owner);
  }
  kernels_.reduce(header.type, header.reduction, static_cast<std::size_t>(options_.world_size),
                  sources.data(), ranks, destinations.data(), destination_count, count);
}

bool BoxCollectives::work_on(const Collective& collective, std::size_t owner) {
  const std::uint32_t chunks = chunks_in(collective.header, owner);
  std::atomic<std::uint64_t>& claim = memory_.claim(collective.sequence, owner);
  const std::uint64_t first = claim_word(collective.sequence);
  const Range whole = slice(collective.header, owner);
  const std::uint64_t per_chunk = chunk_elements(collective.header);
  std::uint32_t done = 0;
  std::uint64_t word = claim.load(std::memory_order_relaxed);
  while (word >= first && word < first + chunks) {
    if (!claim.compare_exchange_weak(word, word + 1, std::memory_order_relaxed)) continue;
    const std::uint64_t begin = whole.begin + (word - first) * per_chunk;
    run(collective, owner, {begin, std::min(whole.end, begin + per_chunk)});
    ++done;
    ++word;
  }
  if (done == 0) return false;
  std::uint32_t total = 0;
  for (std::size_t i = 0; i < memory_.ranks(); ++i) total += chunks_in(collective.header, i);
  Slot& slot = memory_.slot(collective.sequence);
  if (slot.chunks_done.fetch_add(done, std::memory_order_acq_rel) + done < total) return false;
  complete(collective);
  return true;
}

bool BoxCollectives::advance(Collective& collective, Help help) {
  if (is_done(collective)) return true;
  if (options_.finished_elsewhere || !is_ready(collective)) return false;
  if (!collective.own_slice_done) {
    collective.own_slice_done = true;
    if (work_on(collective, options_.index)) return true;
  }
  if (help == Help::kEverything) {
    for (std::size_t i = 1; i < memory_.ranks(); ++i) {
      if (work_on(collective, (options_.index + i) % memory_.ranks())) return true;
    }
  }
  return is_done(collective);
}

}  // namespace mutirao::comm::internal
