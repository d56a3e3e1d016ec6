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

std::string crash_message(const TaskCrashed::Details& details) {
  return fmt::format("task{} crashed while {}: {}",
                     details.task.empty() ? "" : fmt::format(" '{}'", details.task),
                     name_of(details.phase), describe_end(details));
}

std::string crash_hint(const TaskCrashed::Details& details) {
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

TaskCrashed::TaskCrashed(Details details)
    : Error(core::ErrorCode::kTaskCrashed, crash_message(details), crash_hint(details)),
      details_(std::move(details)) {}

}  // namespace mutirao::exec
