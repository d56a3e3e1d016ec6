#include "mutirao/exec/error.hpp"

#include <cstring>

#include <fmt/format.h>

namespace mutirao::exec {
namespace {

std::string describe_end(const TaskCrashed::Details& details) {
  if (details.signal == 0) return fmt::format("its process called exit({})", details.exit_code);
  const char* abbreviation = ::sigabbrev_np(details.signal);
  const char* text = ::sigdescr_np(details.signal);
  return fmt::format("its process was killed by SIG{} ({})",
                     abbreviation ? abbreviation : std::to_string(details.signal),
                     text ? text : "unknown signal");
}

std::string quoted(const std::string& task) {
  return task.empty() ? "" : fmt::format(" '{}'", task);
}

std::string crash_message(const TaskCrashed::Details& details) {
  return fmt::format("task{} crashed while {}: {}", quoted(details.task), name_of(details.phase),
                     details.stack_overflow ? "its stack overflowed" : describe_end(details));
}

std::string in_time_units(std::chrono::nanoseconds time) {
  const double seconds = std::chrono::duration<double>(time).count();
  if (seconds < 1) return fmt::format("{:.6g} ms", seconds * 1e3);
  return fmt::format("{:.6g} s", seconds);
}

std::string in_size_units(std::uint64_t bytes) {
  const double amount = static_cast<double>(bytes);
  if (bytes < 1 << 20) return fmt::format("{:.3g} KiB", amount / 1024);
  if (bytes < 1 << 30) return fmt::format("{:.4g} MiB", amount / (1 << 20));
  return fmt::format("{:.4g} GiB", amount / (1 << 30));
}

std::string memory_message(const MemoryLimitExceeded::Details& details) {
  if (details.limit_bytes == 0)
    return fmt::format("task{} was killed by the kernel: memory ran out", quoted(details.task));
  std::string text = fmt::format("task{} went over its memory limit of {}", quoted(details.task),
                                 in_size_units(details.limit_bytes));
  switch (details.seen) {
    case MemoryLimitExceeded::Seen::kByAllocation:
      return text + ": it was refused an allocation";
    case MemoryLimitExceeded::Seen::kByPolling:
      return text + fmt::format(": it used {}", in_size_units(details.used_bytes));
    case MemoryLimitExceeded::Seen::kByKernel:
      return text + ": the kernel killed its process";
  }
  return text;
}

std::string crash_hint(const TaskCrashed::Details& details) {
  if (details.stack_overflow)
    return "recurse less deeply, keep large arrays on the heap, or raise the limit (ulimit -s)";
  std::string_view tail = details.stderr_tail;
  while (!tail.empty() && tail.back() == '\n') tail.remove_suffix(1);
  if (tail.empty()) return {};
  const std::size_t line = tail.rfind('\n');
  if (line != std::string_view::npos) tail.remove_prefix(line + 1);
  return fmt::format("the last line it wrote: {}", tail);
}

}  // namespace

std::string_view name_of(TaskPhase phase) noexcept {
  switch (phase) {
    case TaskPhase::kDecoding:
      return "decoding its arguments";
    case TaskPhase::kRunning:
      return "running";
    case TaskPhase::kEncoding:
      return "encoding its result";
  }
  return "unknown";
}

TaskTimeout::TaskTimeout(const std::string& task, std::chrono::nanoseconds timeout)
    : Error(core::ErrorCode::kTaskTimeout,
            fmt::format("task{} ran past its time of {}", quoted(task), in_time_units(timeout)),
            "give it a longer timeout or less to do"),
      task_(task),
      timeout_(timeout) {}

MemoryLimitExceeded::MemoryLimitExceeded(Details details)
    : Error(core::ErrorCode::kMemoryLimit, memory_message(details),
            details.limit_bytes != 0 ? "raise resources.memory_bytes or give the task less to do"
                                     : "run fewer tasks at once or give them less to do"),
      details_(std::move(details)) {}

TaskCrashed::TaskCrashed(Details details)
    : Error(core::ErrorCode::kTaskCrashed, crash_message(details), crash_hint(details)),
      details_(std::move(details)) {}

}  // namespace mutirao::exec
