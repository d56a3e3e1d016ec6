#include "mutirao/exec/trace.hpp"

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <set>

#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/exec/internal/trace_log.hpp"

namespace mutirao::exec {
namespace internal {

std::atomic<bool> tracing_on{false};

namespace {

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

struct TraceLog {
  std::mutex mutex;
  // Guarded by mutex.
  std::unique_ptr<std::FILE, CloseFile> file;
  std::set<pid_t> workers;  // whose rows have names
  std::uint64_t attempts = 0;
};

TraceLog& trace_log() {
  static TraceLog& log = *new TraceLog;
  return log;
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      result += fmt::format("\\u{:04x}", c);
    } else {
      result += c;
    }
  }
  return result + '"';
}

double microseconds(TimePoint time) noexcept {
  return std::chrono::duration<double, std::micro>(time.time_since_epoch()).count();
}

}  // namespace

void trace_attempt(const Task& task, TimePoint begin, TimePoint end, pid_t worker,
                   std::string_view outcome) noexcept try {
  TraceLog& log = trace_log();
  const std::lock_guard lock(log.mutex);
  std::FILE* const file = log.file.get();
  if (file == nullptr) return;
  const pid_t program = ::getpid();
  if (log.workers.insert(worker).second) {
    fmt::print(
        file,
        ",\n{{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":{},\"tid\":{},\"args\":{{\"name\":"
        "\"worker {}\"}}}}",
        program, worker, worker);
  }
  const std::string name = quoted(task.name().empty() ? "task" : std::string_view(task.name()));
  const std::uint64_t number = ++log.attempts;
  if (task.queued_at() != TimePoint()) {
    for (const auto& [phase, time] : {std::pair("b", task.queued_at()), std::pair("e", begin)}) {
      fmt::print(
          file,
          ",\n{{\"name\":{},\"cat\":\"queued\",\"ph\":\"{}\",\"id\":{},\"ts\":{:.3f},\"pid\":{},"
          "\"tid\":{}}}",
          name, phase, number, microseconds(time), program, worker);
    }
  }
  fmt::print(
      file,
      ",\n{{\"name\":{},\"cat\":\"task\",\"ph\":\"X\",\"ts\":{:.3f},\"dur\":{:.3f},\"pid\":{},"
      "\"tid\":{},\"args\":{{\"outcome\":{}}}}}",
      name, microseconds(begin), microseconds(end) - microseconds(begin), program, worker,
      quoted(outcome));
} catch (...) {
  // A trace is not worth a task.
}

}  // namespace internal

TraceFile::TraceFile(const std::string& path) {
  internal::TraceLog& log = internal::trace_log();
  const std::lock_guard lock(log.mutex);
  if (log.file) throw core::InvalidArgument("this program already writes a trace");
  log.file.reset(std::fopen(path.c_str(), "we"));
  if (!log.file) {
    throw core::IoError(fmt::format("cannot write the trace '{}'", path), errno,
                        "name a file in a folder that exists and may be written");
  }
  log.workers.clear();
  log.attempts = 0;
  // An array without its end is still read, so a trace survives its program.
  fmt::print(
      log.file.get(),
      "[{{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":{},\"args\":{{\"name\":\"mutirao\"}}}}",
      ::getpid());
  internal::tracing_on.store(true);
}

TraceFile::~TraceFile() {
  internal::tracing_on.store(false);
  internal::TraceLog& log = internal::trace_log();
  const std::lock_guard lock(log.mutex);
  std::fputs("\n]\n", log.file.get());
  log.file.reset();
}

}  // namespace mutirao::exec
