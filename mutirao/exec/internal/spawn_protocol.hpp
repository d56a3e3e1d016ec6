#pragma once

#include <cstdint>

#include "mutirao/exec/internal/core_words.hpp"

namespace mutirao::exec::internal {

/// To the zygote: fork a worker. Descriptors: channel, bell, the worker's socket, its stderr.
struct SpawnRequest {
  static constexpr std::size_t kFds = 4;
  std::uint64_t token;  // names the worker to whoever asked
  CoreWords::Participant participant;
  std::int64_t arrive_within;  // nanoseconds that an executed worker may need; 0: any
};

/// From the zygote. kStarted comes with the worker's pidfd.
struct SpawnEvent {
  enum Kind : std::uint32_t { kStarted, kFailed, kEnded };
  Kind kind;
  std::int32_t process;
  std::uint64_t token;
  std::int32_t error;      // kFailed: errno
  std::int32_t signal;     // kEnded: the signal, or 0
  std::int32_t exit_code;  // kEnded, no signal
  std::int32_t padding;
  std::int64_t peak_rss_kib;
};

}  // namespace mutirao::exec::internal
