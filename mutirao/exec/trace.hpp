#pragma once

// A record of every task, to be looked at in a browser.
//
// Purpose: while a TraceFile lives, each attempt of each task of every executor of this process is
// written to a file that https://ui.perfetto.dev and chrome://tracing open: a row per worker or
// thread, with when the task was queued, began and ended, and how. Requires: one at a time, made
// before the tasks of interest are submitted. Guarantees: the file can be opened even if the
// program dies before the end of the trace. Thread safety: made and destroyed by one thread.
// Failure: core::IoError when the file cannot be opened, core::InvalidArgument for a second one; a
// full disk ends the record silently. Lifetime: the destructor completes the file.
//
//   const exec::TraceFile trace("run.trace.json");
//   pool.map(fit, candidates);

#include <string>

namespace mutirao::exec {

class TraceFile {
 public:
  explicit TraceFile(const std::string& path);
  ~TraceFile();
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;
};

}  // namespace mutirao::exec
