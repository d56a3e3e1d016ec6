#pragma once

// Starts the ranks of a program on this machine and watches them until the last has ended.
//
// Purpose: what `mutirao launch` does: torchrun's part for a program of any language. Each rank
// finds in its environment what torchrun sets: RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE,
// GROUP_RANK, GROUP_WORLD_SIZE, MASTER_ADDR, MASTER_PORT, TORCHELASTIC_RUN_ID,
// TORCHELASTIC_RESTART_COUNT, TORCHELASTIC_MAX_RESTARTS, and OMP_NUM_THREADS unless it is set. On
// several machines one launcher runs on each.
// Guarantees: when a rank fails the others are stopped (SIGTERM, grace, SIGKILL), then all are
// started anew while restarts are left; nothing that a rank has started outlives launch(), nor the
// calling program, also when that is killed (SIGKILL). Ranks have no terminal, and nothing to read
// on stdin. With at least one core per rank each rank is pinned to its share of the cores.
// Thread safety: launch() may be called from any thread; the observer is called on that thread.
// Ordering: the lines of one stream of a rank come in order; what a rank wrote before it ended
// comes before its failure is told. Failure: core::InvalidArgument for options that cannot be used
// or a program that is not there; core::IoError when the system refuses processes or pipes; a rank
// that fails is a result, not an exception. Lifetime: launch() returns when no rank is left.
//
//   LaunchResult result = launch({.command = {"./train", "--epochs", "10"}, .ranks = 2}, observer);
//   if (result.failure) std::cerr << describe(*result.failure) << '\n';

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace mutirao::launch {

struct LaunchOptions {
  /// The program (a path, or a name to be looked for in PATH) and its arguments.
  std::vector<std::string> command;
  /// Ranks on this machine; every machine has as many.
  std::size_t ranks = 1;
  std::size_t nodes = 1;
  /// Which of the machines this is, from 0.
  std::size_t node_rank = 0;
  /// Where rank 0 can be reached; needed for several nodes. Port 0: one that is free, chosen anew
  /// for each start.
  std::string master_address = "127.0.0.1";
  std::uint16_t master_port = 0;
  /// The same on all nodes, and of no other run; empty: random on one node, "ADDRESS:PORT" on
  /// several.
  std::string run_id = {};
  /// How many times all ranks are started again after one has failed.
  std::size_t max_restarts = 0;
  /// OMP_NUM_THREADS of each rank; 0: the cores of this machine divided by its ranks.
  std::size_t threads_per_rank = 0;
  /// How long a rank has between SIGTERM and SIGKILL.
  std::chrono::milliseconds grace = std::chrono::seconds(5);
  /// When requested: SIGTERM to all ranks, grace, SIGKILL.
  std::stop_token stop = {};
  /// When requested: SIGKILL at once.
  std::stop_token kill = {};
};

/// How a rank ended that did not end well.
struct RankFailure {
  std::size_t rank = 0;  ///< in the world
  pid_t process = 0;
  int exit_code = 0;  ///< when signal is 0
  int signal = 0;
  double seconds = 0.0;     ///< that it ran
  std::string stderr_tail;  ///< its last lines there, at most 20
};

/// "rank 1 (process 4711) was killed by signal 9 (Killed) after 3.2 s", then its last lines.
std::string describe(const RankFailure& failure);

struct LaunchResult {
  /// The rank that failed first in the last start; absent: all ended well, or were stopped.
  std::optional<RankFailure> failure;
  std::size_t restarts = 0;
  bool stopped = false;  ///< by options.stop or options.kill
};

enum class Stream { kOut, kErr };

/// Hears what happens. None of its functions may throw.
class LaunchObserver {
 public:
  virtual ~LaunchObserver() = default;
  /// One line of a rank, without its end; pieces of 64 KiB when it is longer.
  virtual void on_line(std::size_t rank, Stream stream, std::string_view line) = 0;
  virtual void on_started(std::size_t /*rank*/, pid_t /*process*/) {}
  /// The ranks are about to be started again.
  virtual void on_restart(const RankFailure& /*failure*/, std::size_t /*restart*/) {}
  /// Now and then, and at every change.
  virtual void on_progress(std::size_t /*running*/, double /*seconds*/) {}
};

LaunchResult launch(const LaunchOptions& options, LaunchObserver& observer);

}  // namespace mutirao::launch
