#pragma once

#include <sys/types.h>

#include "mutirao/core/local_socket.hpp"

namespace mutirao::exec::internal {

/// The life of the zygote: forks workers for those who ask over a socket (the program, and every
/// worker over a socket of its own), tells each who asked how its workers ended, and ends whatever
/// is left when who asked is gone. Returns never.
[[noreturn]] void run_zygote(core::LocalSocket program, pid_t program_process);

}  // namespace mutirao::exec::internal
