#include "mutirao/comm/communicator.hpp"

#include <utility>

#include <fmt/format.h>

#include "mutirao/comm/internal/group.hpp"
#include "mutirao/comm/internal/open_group.hpp"
#include "mutirao/core/error.hpp"

namespace mutirao::comm {
namespace {

using internal::CallerMemory;
using internal::CollectiveHeader;
using internal::Operation;

/// The group of a Communicator that was not moved from.
internal::Group& group_in(const std::shared_ptr<internal::Group>& group) {
  if (!group)
    throw core::InvalidArgument("this Communicator was moved from", "use the one it went to");
  return *group;
}

void check_rank(int rank, int size, const char* what) {
  if (rank < 0 || rank >= size)
    throw core::InvalidArgument(fmt::format("{} {} is not in a world of {}", what, rank, size),
                                "ranks count from 0 to the world size less one");
}

void check_memory(const void* memory, std::size_t count) {
  if (memory == nullptr && count > 0)
    throw core::InvalidArgument(fmt::format("{} elements at a null pointer", count),
                                "pass memory that is there");
}

void check_blocks(std::size_t all, std::size_t mine, int size) {
  if (all / static_cast<std::size_t>(size) != mine || all % static_cast<std::size_t>(size) != 0)
    throw core::InvalidArgument(
        fmt::format("{} elements are not {} blocks of {}", all, size, mine),
        "the larger span holds one block as large as the smaller one for each rank");
}

/// In place, on a part of a Buffer of this group.
CollectiveHeader header_of(Operation operation, const BufferPart& part,
                           const internal::Group& group) {
  const auto& memory = part.buffer().memory();
  if (!memory || memory->group != &group)
    throw core::InvalidArgument("this buffer was not allocated by this Communicator",
                                "allocate() one, or pass a span");
  return {.count = part.count(),
          .offset = part.offset(),
          .operation = operation,
          .type = part.type(),
          .buffer = memory->number};
}

CollectiveHeader header_of(Operation operation, DataType type, std::size_t count) {
  return {.count = count, .operation = operation, .type = type};
}

const std::byte* bytes(const void* memory) { return static_cast<const std::byte*>(memory); }
std::byte* bytes(void* memory) { return static_cast<std::byte*>(memory); }

}  // namespace

std::string_view name_of(Backend backend) noexcept {
  switch (backend) {
    case Backend::kAutomatic:
      return "automatic";
    case Backend::kShm:
      return "shm";
    case Backend::kMpi:
      return "mpi";
    case Backend::kTcp:
      return "tcp";
    case Backend::kNccl:
      return "nccl";
  }
  return "unknown";
}

Communicator::Communicator(const CommunicatorOptions& options)
    : world_(options.world ? *options.world : find_world()) {
  if (world_.size < 1) throw core::InvalidArgument("a world has at least one rank", "");
  check_rank(world_.rank, world_.size, "rank");
  internal::OpenedGroup opened = internal::open_group(options, world_);
  backend_ = opened.backend;
  why_ = std::move(opened.why);
  membership_ = std::move(opened.membership);
  group_ = std::move(opened.group);
}

Communicator::~Communicator() = default;
Communicator::Communicator(Communicator&&) noexcept = default;

Communicator& Communicator::operator=(Communicator&& other) noexcept {
  if (this != &other) {
    group_ = std::move(other.group_);
    membership_ = std::move(other.membership_);
    world_ = std::move(other.world_);
    backend_ = other.backend_;
    why_ = std::move(other.why_);
  }
  return *this;
}

int Communicator::local_rank() const { return group_in(group_).local_rank(); }
int Communicator::local_size() const { return group_in(group_).local_size(); }

std::string Communicator::description() const {
  return fmt::format("{}, {} ({})", name_of(backend_), group_in(group_).description(), why_);
}

std::optional<int> Communicator::device() const { return group_in(group_).device(); }
void Communicator::set_device_stream(void* stream) { group_in(group_).set_stream(stream); }
void* Communicator::device_stream() const { return group_in(group_).stream(); }

Buffer Communicator::allocate(std::size_t bytes) {
  return Buffer(group_in(group_).allocate(bytes));
}

// ---- In place.

Work Communicator::all_reduce(const BufferPart& part, Reduction reduction) {
  auto& group = group_in(group_);
  CollectiveHeader header = header_of(Operation::kAllReduce, part, group);
  header.reduction = reduction;
  return Work(group.collective(header, part.buffer().memory()));
}

Work Communicator::reduce(const BufferPart& part, int root, Reduction reduction) {
  auto& group = group_in(group_);
  check_rank(root, size(), "root");
  CollectiveHeader header = header_of(Operation::kReduce, part, group);
  header.reduction = reduction;
  header.root = root;
  return Work(group.collective(header, part.buffer().memory()));
}

Work Communicator::broadcast(const BufferPart& part, int root) {
  auto& group = group_in(group_);
  check_rank(root, size(), "root");
  CollectiveHeader header = header_of(Operation::kBroadcast, part, group);
  header.root = root;
  return Work(group.collective(header, part.buffer().memory()));
}

Work Communicator::all_gather(const BufferPart& part) {
  auto& group = group_in(group_);
  CollectiveHeader header = header_of(Operation::kAllGather, part, group);
  header.count /= static_cast<std::size_t>(size());
  check_blocks(part.count(), header.count, size());
  return Work(group.collective(header, part.buffer().memory()));
}

Work Communicator::reduce_scatter(const BufferPart& part, Reduction reduction) {
  auto& group = group_in(group_);
  CollectiveHeader header = header_of(Operation::kReduceScatter, part, group);
  header.count /= static_cast<std::size_t>(size());
  check_blocks(part.count(), header.count, size());
  header.reduction = reduction;
  return Work(group.collective(header, part.buffer().memory()));
}

Work Communicator::barrier() {
  return Work(group_in(group_).collective({.operation = Operation::kBarrier}, nullptr));
}

// ---- Memory of any kind.

Work Communicator::all_reduce(void* values, DataType type, std::size_t count, Reduction reduction) {
  check_memory(values, count);
  CollectiveHeader header = header_of(Operation::kAllReduce, type, count);
  header.reduction = reduction;
  return Work(group_in(group_).collective(header, CallerMemory{bytes(values), bytes(values)}));
}

Work Communicator::reduce(void* values, DataType type, std::size_t count, int root,
                          Reduction reduction) {
  check_memory(values, count);
  check_rank(root, size(), "root");
  CollectiveHeader header = header_of(Operation::kReduce, type, count);
  header.reduction = reduction;
  header.root = root;
  return Work(group_in(group_).collective(
      header, CallerMemory{bytes(values), rank() == root ? bytes(values) : nullptr}));
}

Work Communicator::broadcast(void* values, DataType type, std::size_t count, int root) {
  check_memory(values, count);
  check_rank(root, size(), "root");
  CollectiveHeader header = header_of(Operation::kBroadcast, type, count);
  header.root = root;
  return Work(
      group_in(group_).collective(header, CallerMemory{rank() == root ? bytes(values) : nullptr,
                                                       rank() == root ? nullptr : bytes(values)}));
}

Work Communicator::all_gather(const void* mine, std::size_t count, void* all, std::size_t all_count,
                              DataType type) {
  check_memory(mine, count);
  check_memory(all, all_count);
  check_blocks(all_count, count, size());
  return Work(group_in(group_).collective(header_of(Operation::kAllGather, type, count),
                                          CallerMemory{bytes(mine), bytes(all)}));
}

Work Communicator::reduce_scatter(const void* all, std::size_t all_count, void* mine,
                                  std::size_t count, DataType type, Reduction reduction) {
  check_memory(all, all_count);
  check_memory(mine, count);
  check_blocks(all_count, count, size());
  CollectiveHeader header = header_of(Operation::kReduceScatter, type, count);
  header.reduction = reduction;
  return Work(group_in(group_).collective(header, CallerMemory{bytes(all), bytes(mine)}));
}

Work Communicator::send(const void* values, DataType type, std::size_t count, int to) {
  check_memory(values, count);
  check_rank(to, size(), "rank");
  return Work(group_in(group_).send(bytes(values), count, type, to));
}

Work Communicator::recv(void* values, DataType type, std::size_t count, int from) {
  check_memory(values, count);
  check_rank(from, size(), "rank");
  return Work(group_in(group_).receive(bytes(values), count, type, from));
}

}  // namespace mutirao::comm
