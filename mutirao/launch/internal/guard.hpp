#pragma once

// Note [Why a guard stands between the launcher and its ranks]
//
//   launcher --fork--> guard --fork, exec--> rank 0 --> whatever rank 0 starts
//      |  <-- socket --> |    --fork, exec--> rank 1
//      |                                        |
//      +<---------- pipes: stdout, stderr ------+
//
// Nobody but its parent hears at once that a process has died, and a launcher that is killed
// (SIGKILL) can clean up nothing. So the ranks belong to a guard. It sees the end of the socket
// when the launcher is gone, and it is the reaper of all their descendants
// (PR_SET_CHILD_SUBREAPER): whatever a rank leaves behind becomes its child, and it ends when it
// has none. Were the guard itself killed, the ranks would be (PR_SET_PDEATHSIG). It stands in a
// session of its own: Ctrl-C reaches the launcher alone, which decides.
//
// The guard is a fork that does not exec, of a program that may have threads: it allocates nothing.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "mutirao/core/local_socket.hpp"

namespace mutirao::launch::internal {

/// What one rank is started with.
struct RankStart {
  std::vector<std::string> environment;
  std::vector<int> cores;  ///< to be pinned to; empty: none
};

/// What the guard tells, as messages on the socket.
struct GuardMessage {
  enum class Kind : std::int32_t {
    kStarted,  ///< carries two descriptors: what the rank writes to stdout and to stderr
    kRefused,  ///< the system gave no process or pipe: status is its errno
    kEnded     ///< status is what waitpid() gave
  };
  Kind kind = Kind::kEnded;
  std::int32_t rank = 0;  ///< on this machine
  std::int32_t process = 0;
  std::int32_t status = 0;
};

/// What the launcher tells the guard, a byte each; the end of the socket is kKill.
enum class GuardOrder : std::uint8_t { kTerminate = 1, kKill = 2 };

/// The launcher's end: the guard's process and the socket to it, which ends when nothing is left of
/// the ranks.
class Guard {
 public:
  /// Starts the guard, which starts the ranks.
  Guard(const std::string& program, const std::vector<std::string>& command,
        const std::vector<RankStart>& ranks);
  /// Kills what is left and waits for its end.
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  const core::LocalSocket& socket() const noexcept { return socket_; }
  void order(GuardOrder order) const;

 private:
  core::LocalSocket socket_;
  pid_t process_ = 0;
};

}  // namespace mutirao::launch::internal
