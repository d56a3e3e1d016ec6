#pragma once

// The worker's end of the socket over which memory travels.

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

#include "mutirao/core/local_socket.hpp"
#include "mutirao/core/shared_memory.hpp"
#include "mutirao/exec/internal/block_cache.hpp"

namespace mutirao::exec::internal {

class WorkerMail {
 public:
  WorkerMail(core::LocalSocket socket, ReplyBlocks& blocks) noexcept
      : socket_(std::move(socket)), blocks_(blocks) {}

  /// The memory that the program sent under this number; it may still be on its way.
  std::shared_ptr<core::SharedMemory> memory(std::uint64_t number);
  void read_what_is_there();
  /// Sends memory that belongs to a task's result; false, after waiting for a while, when the
  /// program must first read.
  bool send(const core::SharedMemory& memory, std::uint64_t task);

 private:
  bool read_one(core::LocalSocket::Wait wait);

  core::LocalSocket socket_;
  ReplyBlocks& blocks_;
  // Kept until the program says that it has let go of them.
  std::unordered_map<std::uint64_t, std::shared_ptr<core::SharedMemory>> received_;
};

}  // namespace mutirao::exec::internal
