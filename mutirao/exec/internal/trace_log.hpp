#pragma once

#include <atomic>
#include <string_view>

#include <sys/types.h>

#include "mutirao/exec/internal/task.hpp"

namespace mutirao::exec::internal {

extern std::atomic<bool> tracing_on;

/// Whether somebody wants to know: one load.
inline bool tracing() noexcept { return tracing_on.load(std::memory_order_relaxed); }

/// One attempt of a task; `worker` is the process or thread that ran it.
void trace_attempt(const Task& task, TimePoint begin, TimePoint end, pid_t worker,
                   std::string_view outcome) noexcept;

}  // namespace mutirao::exec::internal
