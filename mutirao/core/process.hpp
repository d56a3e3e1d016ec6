#pragma once

#include <cstddef>
#include <span>

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

/// How many threads this process has.
std::size_t thread_count();

/// Lets this process open as many files as its hard limit says.
void raise_file_limit() noexcept;

/// For a process just forked: default dispositions, nothing blocked.
void reset_signals() noexcept;

}  // namespace mutirao::core
