#pragma once

// Processes of this program that were executed, not forked.
//
// Note [Executed processes]
// A process with threads cannot be forked: whatever lock another thread held stays locked for ever
// in the child. But a child may execute a program at once. So, when threads exist before the
// Runtime, the zygote and its workers are this program's own file, /proc/self/exe, executed anew
// with the same arguments. A variable of the environment says which of the two a process is, and
// on which descriptor its seed waits; it counts only for the process whose number it holds, and is
// taken out of the environment before any code of the user runs. The zygote begins before main().
// A worker runs main() up to the Runtime, there says that it has come from the same files, and
// serves. Until then its standard output leads nowhere: what main() prints is printed once.

#include <span>
#include <string>
#include <vector>

#include "mutirao/core/local_socket.hpp"
#include "mutirao/exec/internal/core_words.hpp"
#include "mutirao/exec/internal/function_id.hpp"

namespace mutirao::exec::internal {

enum class ExecutedRole { kZygote, kWorker };

/// The first message to an executed zygote. Descriptor: the words of the core budget.
struct ZygoteSeed {
  std::int32_t program;
  ModuleBuilds builds;
};

/// The first message to an executed worker. Descriptors: channel, bell, its socket, the words of
/// the core budget, and standard output, if there is one.
struct ExecutedWorkerSeed {
  static constexpr std::size_t kFds = 4;
  CoreWords::Participant participant;
  ModuleBuilds builds;
};

/// The answer of either: whether it came from the same files as the program.
struct Hello {
  enum Build : std::uint32_t { kSame, kOther };
  Build build;
};

/// A command line and an environment, made while memory may still be allocated.
class SelfExecution {
 public:
  /// The child will find `socket`. Throws IoError.
  SelfExecution(ExecutedRole role, int socket);

  /// In a child just forked by a process that may have threads. When it cannot, the child exits
  /// with 127.
  [[noreturn]] void execute() noexcept;

 private:
  const int socket_;
  std::string marker_;
  std::vector<std::string> strings_;
  std::vector<char*> arguments_;
  std::vector<char*> environment_;
};

/// If this process was executed to be a worker: from here on it is one.
void serve_if_executed();

}  // namespace mutirao::exec::internal
