#pragma once

// Ranks as processes that are forked from a test, and what becomes of them.

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "mutirao/comm/communicator.hpp"

namespace mutirao::comm {

struct Outcome {
  int status = 0;    ///< as waitpid tells
  std::string said;  ///< what the body returned, or "error: " and what it threw
  bool timed_out = false;
};

/// A world of which rank `rank` is one, that no other test meets.
World test_world(int rank, int size);
/// Begins a new one.
void next_test_world();

class Ranks {
 public:
  using Body = std::function<std::string(int rank)>;
  /// Forks `count` processes; each runs the body and ends.
  Ranks(int count, const Body& body);
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  pid_t process(int rank) const { return processes_[static_cast<std::size_t>(rank)]; }
  /// Blocks until the rank has called tell(); false when it ended without.
  bool wait_for_word(int rank);
  /// Lets wait_for_release() of the rank return.
  void release(int rank);
  /// Waits until all have ended; those that have not after this time are killed.
  std::vector<Outcome> join(std::chrono::seconds at_most = std::chrono::seconds(100));

 private:
  std::vector<pid_t> processes_;
  std::vector<int> words_;     // read ends: what the body says while it runs
  std::vector<int> releases_;  // write ends
  std::vector<int> results_;   // read ends: what it returns
};

/// In a rank: lets wait_for_word() of the test return.
void tell();
/// In a rank: blocks until the test has called release().
void wait_for_release();

/// Runs the body on all ranks of a world of its own; the first thing said that is not "ok".
std::string run_ranks(int count, const std::function<void(Communicator&)>& body,
                      const CommunicatorOptions& options = {});

}  // namespace mutirao::comm
