#pragma once

// The memory that the ranks of one box share, and who writes which word of it.
//
//   failure      written once, by whoever first knows that the group is dead
//   rank[i]      bell: rung by others, rank i sleeps on it; the rest is written by rank i
//   slot[s % 64] collective number s: state, arrivals, what is left to do
//   header[s][i] what rank i thinks that collective s is
//   channel[i][j] messages from rank i to rank j: i writes `written`, j writes `read`
//   staging[i]   written by rank i; read and written by all during a collective
//
// Indices here are those of the ranks within this box, in the order of their ranks.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "mutirao/comm/data_type.hpp"

namespace mutirao::comm::internal {

inline constexpr std::size_t kSlots = 64;
inline constexpr std::size_t kLine = 64;  // bytes of a cache line
/// Pieces that a channel between two ranks holds.
inline constexpr std::size_t kChannelPieces = 2;

enum class Operation : std::uint32_t {
  kBarrier,
  kAllReduce,
  kBroadcast,
  kReduce,
  kReduceScatter,
  kAllGather,
  kAllocate
};

/// What a rank brings to a collective. All ranks must bring the same.
struct CollectiveHeader {
  std::uint64_t count = 0;   ///< elements; of one block where the operation has one per rank
  std::uint64_t offset = 0;  ///< bytes from the start of the buffer
  std::uint64_t whole = 0;   ///< of how many elements this is a piece; 0: of none
  Operation operation = Operation::kBarrier;
  DataType type = DataType::kFloat32;
  Reduction reduction = Reduction::kSum;
  std::int32_t root = -1;
  std::uint32_t buffer = 0;     ///< 0: staging
  std::uint32_t on_device = 0;  ///< 1: only compared here, done elsewhere

  friend bool operator==(const CollectiveHeader&, const CollectiveHeader&) = default;
};

/// "all_reduce (sum) of 101110 float32"
std::string describe(const CollectiveHeader& header);

enum class RankState : std::uint32_t { kAbsent, kJoined, kLeft, kLeftByException };

struct alignas(kLine) RankEntry {
  std::atomic<std::uint32_t> bell;
  std::atomic<std::uint32_t> sleepers;
  alignas(kLine) std::atomic<std::uint32_t> beat;
  std::atomic<RankState> state;
  // What it came to last, for messages of others.
  std::atomic<std::uint64_t> posted;  // how many collectives
  std::atomic<std::uint64_t> last_count;
  std::atomic<Operation> last_operation;
  std::atomic<DataType> last_type;
  std::atomic<Reduction> last_reduction;
  // Written before the rank is joined.
  std::int32_t process;
  std::int32_t global_rank;
  char host[64];
};

struct FailureRecord {
  std::atomic<std::uint32_t> state;  // 0 none, 1 being written, 2 there
  std::int32_t code;
  std::int32_t rank;
  char message[1024];
  char hint[512];
};

struct alignas(kLine) Slot {
  std::atomic<std::uint32_t> state;  // sequence * 4 + Phase
  std::atomic<std::uint32_t> arrived;
  alignas(kLine) std::atomic<std::uint32_t> chunks_done;
};

struct alignas(kLine) HeaderLine {
  CollectiveHeader header;
};

struct alignas(kLine) ClaimLine {
  std::atomic<std::uint64_t> word;  // sequence * 2^32 + next chunk
};

/// What a piece of a message says of the whole.
struct PieceHeader {
  std::uint64_t count;
  DataType type;
  std::uint32_t bytes;
};

struct alignas(kLine) PairChannel {
  std::atomic<std::uint32_t> written;  // pieces
  PieceHeader pieces[kChannelPieces];
  alignas(kLine) std::atomic<std::uint32_t> read;
};

class BoxMemory {
 public:
  struct Shape {
    std::uint32_t ranks = 1;
    std::uint64_t staging_bytes = 0;  ///< per rank, a multiple of kLine
    std::uint64_t piece_bytes = 0;    ///< of a message, a multiple of kLine
  };

  static std::size_t bytes_of(const Shape& shape) noexcept;
  /// `base`: bytes_of(shape) bytes, zeroed when new, aligned to kLine.
  BoxMemory(std::byte* base, const Shape& shape) noexcept;
  /// Once, by whoever made the memory, before anybody uses it.
  void start() noexcept;

  const Shape& shape() const noexcept { return shape_; }
  std::uint32_t ranks() const noexcept { return shape_.ranks; }
  FailureRecord& failure() const noexcept { return *failure_; }
  RankEntry& rank(std::size_t index) const noexcept { return ranks_[index]; }
  Slot& slot(std::uint64_t sequence) const noexcept { return slots_[sequence % kSlots]; }
  CollectiveHeader& header(std::uint64_t sequence, std::size_t index) const noexcept {
    return headers_[(sequence % kSlots) * shape_.ranks + index].header;
  }
  std::atomic<std::uint64_t>& claim(std::uint64_t sequence, std::size_t index) const noexcept {
    return claims_[(sequence % kSlots) * shape_.ranks + index].word;
  }
  PairChannel& channel(std::size_t from, std::size_t to) const noexcept {
    return channels_[from * shape_.ranks + to];
  }
  std::byte* piece(std::size_t from, std::size_t to, std::size_t number) const noexcept {
    return channel_bytes_ +
           ((from * shape_.ranks + to) * kChannelPieces + number % kChannelPieces) *
               shape_.piece_bytes;
  }
  std::byte* staging(std::size_t index) const noexcept {
    return staging_ + index * shape_.staging_bytes;
  }

  /// Wakes rank `index` if it sleeps. What it is to see was stored before with seq_cst.
  void ring(std::size_t index) const noexcept;
  void ring_all() const noexcept;

 private:
  Shape shape_;
  FailureRecord* failure_;
  RankEntry* ranks_;
  Slot* slots_;
  HeaderLine* headers_;
  ClaimLine* claims_;
  PairChannel* channels_;
  std::byte* channel_bytes_;
  std::byte* staging_;
};

}  // namespace mutirao::comm::internal
