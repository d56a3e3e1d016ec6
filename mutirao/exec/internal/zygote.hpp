#pragma once

// The zygote: starts workers for those who ask over a socket (the program, and every worker over a
// socket of its own), tells each who asked how its workers ended, and ends whatever is left when
// who asked is gone.

#include <sys/types.h>

#include "mutirao/core/local_socket.hpp"

namespace mutirao::exec::internal {

struct StartedZygote {
  pid_t process = 0;
  core::LocalSocket socket;
};

/// For a program that has one thread: the zygote, and every worker after it, is forked. Throws
/// IoError.
StartedZygote fork_zygote();

/// For a program that may have more: Note [Executed processes]. Throws IoError, and Unsupported
/// when the program's files have changed since it started.
StartedZygote execute_zygote();

/// The life of a process that execute_zygote() started.
[[noreturn]] void run_executed_zygote(core::LocalSocket program);

}  // namespace mutirao::exec::internal
