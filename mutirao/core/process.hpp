#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <sys/types.h>

#include "mutirao/core/unique_fd.hpp"

namespace mutirao::core {

/// A descriptor that stands for the process and becomes readable when it ends; unlike its number it
/// never means another process. Throws IoError.
UniqueFd open_pidfd(pid_t process);

/// Sends a signal; false when the process is gone.
bool send_signal(const UniqueFd& pidfd, int signal) noexcept;

/// Closes every descriptor from 3 on that is not listed.
void close_all_except(std::span<const int> kept) noexcept;

/// Whether the process is stopped (SIGSTOP, a debugger) just now; false also when it is gone.
bool is_stopped(pid_t process) noexcept;

/// What this machine calls itself.
std::string host_name();

/// A number that is drawn when the machine starts; empty when the system does not say.
std::string boot_id();

/// The processes whose parent this process is, ended ones that were not waited for among them; none
/// where the system does not say.
std::vector<pid_t> children_of_this_process();

/// How many threads this process has.
std::size_t thread_count();

/// The most memory that this process has had in RAM so far, in bytes; 0 when the system does not
/// say.
std::uint64_t peak_resident_bytes();

/// The processor time that all threads of this process have used so far, in seconds.
double cpu_seconds();

/// How many files this process may have open.
std::uint64_t file_limit();

/// Lets this process open as many files as its hard limit says.
void raise_file_limit() noexcept;

/// How often this process and those it descends from were forked since somebody first asked:
/// another number than before means another process, which has none of the former's threads. fork()
/// only.
std::uint32_t fork_count() noexcept;

/// For a process just forked: default dispositions, nothing blocked.
void reset_signals() noexcept;

}  // namespace mutirao::core
