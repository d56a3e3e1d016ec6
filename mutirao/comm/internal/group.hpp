#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "mutirao/comm/internal/box_memory.hpp"
#include "mutirao/comm/internal/buffer_memory.hpp"

namespace mutirao::comm::internal {

/// What a Work holds.
class Pending {
 public:
  Pending() = default;
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  virtual ~Pending() = default;
  virtual void wait() = 0;
  virtual bool done() = 0;
  /// Nobody will ask again; memory of the caller is not touched from now on.
  virtual void give_up() noexcept = 0;
};

/// Memory of the caller that is no Buffer: what goes in, where the result goes.
struct CallerMemory {
  const std::byte* in = nullptr;  ///< null: this rank brings nothing
  std::byte* out = nullptr;       ///< null: this rank gets nothing
};

/// A backend: the same calls, whatever carries them. Arguments were looked at by Communicator.
class Group {
 public:
  Group() = default;
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  virtual ~Group() = default;

  virtual std::shared_ptr<const BufferMemory> allocate(std::size_t bytes) = 0;
  /// In place.
  virtual std::shared_ptr<Pending> collective(
      const CollectiveHeader& header, const std::shared_ptr<const BufferMemory>& buffer) = 0;
  virtual std::shared_ptr<Pending> collective(const CollectiveHeader& header,
                                              const CallerMemory& memory) = 0;
  virtual std::shared_ptr<Pending> send(const std::byte* data, std::size_t count, DataType type,
                                        int to) = 0;
  virtual std::shared_ptr<Pending> receive(std::byte* data, std::size_t count, DataType type,
                                           int from) = 0;
  virtual int local_rank() const = 0;
  virtual int local_size() const = 0;
  virtual std::string description() const = 0;

  // Of a group whose buffers are on a GPU: which one, and the caller's cudaStream_t.
  virtual std::optional<int> device() const { return std::nullopt; }
  virtual void* stream() const { return nullptr; }
  virtual void set_stream(void*) {}
};

}  // namespace mutirao::comm::internal
