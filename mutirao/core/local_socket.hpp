#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

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
  /// A connection to whoever listens under that name (LocalListener); nothing when nobody does.
  /// Throws IoError for other refusals.
  static std::optional<LocalSocket> connect(std::string_view name);

  /// Sends one message whole. kFull only without waiting. Throws IoError for other refusals.
  Sent send(std::span<const std::byte> message, std::span<const int> fds, Wait wait) const;
  /// One message into `buffer`; nothing when there is none and we do not wait. Throws IoError, also
  /// when the kernel dropped a descriptor because this process may open no more.
  std::optional<Received> receive(std::span<std::byte> buffer, Wait wait) const;
  /// Waits until send() would find room, the other end is closed, or the time is over.
  void wait_writable(std::chrono::milliseconds at_most) const;
  /// Who made the other end, as the kernel knows it. Throws IoError.
  struct Peer {
    pid_t process = 0;  ///< 0: in another pid namespace
    uid_t user = 0;
  };
  Peer peer() const;

  int get() const noexcept { return fd_.get(); }
  explicit operator bool() const noexcept { return static_cast<bool>(fd_); }
  void close() noexcept { fd_.reset(); }
  /// close(), and the other end learns of it though processes that were forked hold copies.
  void hang_up() noexcept;

 private:
  UniqueFd fd_;
};

/// Takes connections under a name of this machine that is no file: it goes when the last process
/// that holds the listener does. At most 100 characters.
/// Thread safety: accept() from one thread at a time.
class LocalListener {
 public:
  /// Nothing when somebody else listens under that name. Throws IoError for other refusals.
  static std::optional<LocalListener> listen(std::string_view name);
  /// The next one that connects; nothing when none did. Throws IoError.
  std::optional<LocalSocket> accept() const;
  int get() const noexcept { return fd_.get(); }

 private:
  explicit LocalListener(UniqueFd fd) noexcept : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

/// Waits until one of these descriptors can be read or is closed, or the time is over. Gives for
/// each whether it can; a negative descriptor never can. Throws IoError.
std::vector<bool> wait_readable(std::span<const int> fds, std::chrono::milliseconds at_most);

}  // namespace mutirao::core
