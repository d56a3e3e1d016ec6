#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "mutirao/core/unique_fd.hpp"

namespace mutirao::core {

/// One end of a connected pair of local sockets that keep the borders of messages and carry
/// descriptors. Thread safety: send and receive may be called from different threads.
class LocalSocket {
 public:
  enum class Wait { kNo, kYes };
  enum class Sent { kYes, kFull, kClosed };
  struct Received {
    std::size_t bytes = 0;  ///< 0: the other end is closed
    std::vector<UniqueFd> fds;
  };

  LocalSocket() noexcept = default;
  explicit LocalSocket(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
  /// Throws IoError.
  static std::pair<LocalSocket, LocalSocket> pair();

  /// Sends one message whole. kFull only without waiting. Throws IoError for other refusals.
  Sent send(std::span<const std::byte> message, std::span<const int> fds, Wait wait) const;
  /// One message into `buffer`; nothing when there is none and we do not wait. Throws IoError, also
  /// when the kernel dropped a descriptor because this process may open no more.
  std::optional<Received> receive(std::span<std::byte> buffer, Wait wait) const;
  /// Waits until send() would find room, the other end is closed, or the time is over.
  void wait_writable(std::chrono::milliseconds at_most) const;

  int get() const noexcept { return fd_.get(); }
  explicit operator bool() const noexcept { return static_cast<bool>(fd_); }
  void close() noexcept { fd_.reset(); }

 private:
  UniqueFd fd_;
};

}  // namespace mutirao::core
