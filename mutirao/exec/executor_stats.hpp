#pragma once

#include <cstddef>
#include <cstdint>

namespace mutirao::exec {

/// What an executor has done so far, and what it has to do. Taken at one moment, but of threads
/// that go on meanwhile.
struct ExecutorStats {
  std::size_t workers = 0;            ///< that live now: processes or threads
  std::size_t queued = 0;             ///< tasks that have not begun
  std::size_t running = 0;            ///< tasks that have begun and not ended
  std::uint64_t done = 0;             ///< tasks that ended, in whatever way
  std::uint64_t failed = 0;           ///< of those, with an exception; not the cancelled ones
  std::uint64_t retried = 0;          ///< attempts after the first
  std::uint64_t workers_started = 0;  ///< with those that replaced others
  std::uint64_t workers_lost = 0;     ///< that ended with a task in them: crashed or killed
};

}  // namespace mutirao::exec
