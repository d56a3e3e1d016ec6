#pragma once

// The folder that a training run leaves behind.
//
// Inside, every path relative to it:
//   config.json    what was asked for; `mutirao train --config` repeats it
//   events.jsonl   one JSON object a line, in the order in which things happened
//   models/        one model file per candidate that ended well
//   oof.parquet    predictions for rows that a model had not seen
//   report.html    for people
// Events, each with "event", "time" (UTC) and "elapsed" (seconds since the start):
//   run_started {version, config}
//   data_read {rows, rows_dropped, task, classes and positive of classification, metric, cores,
//              columns}
//   note {text}, warning {text}     candidate_started {model, pid}
//   fold_done {model, fold, folds, score, metrics, seconds}
//   candidate_ended {candidate: a row of the leaderboard, details: what the report shows}
//   run_ended {seconds, stopped}
// Guarantees: what is in the folder was complete when it was written; a run that was killed leaves
// its events up to then. Thread safety: RunFolder: one thread at a time. Failure:
// core::InvalidArgument for a path that cannot become a run folder, core::IoError for what the
// system refuses, core::CorruptFile for events that are none. Lifetime: a RunFolder that is
// destroyed before keep() removes what it made.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "mutirao/core/file.hpp"
#include "mutirao/train/config.hpp"
#include "mutirao/train/result.hpp"

namespace mutirao::train {

/// runs/<data>-<UTC time>, with a number behind it if that is taken.
std::string default_run_path(const std::string& data);

/// One line of JSON; characters that are not UTF-8 are replaced.
std::string one_line(const Json& json);

class RunFolder {
 public:
  /// Makes the folder, or takes one that is there and empty, and writes config.json.
  RunFolder(std::string path, const TrainConfig& config);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const noexcept { return path_; }
  /// The path of something inside.
  std::string inside(const std::string& relative) const;
  double elapsed() const;
  /// Appends one event; "time" and "elapsed" are added. Returns it.
  Json append(const std::string& event, const Json& fields);
  /// From now on the folder stays, whatever happens.
  void keep() noexcept { keep_ = true; }

 private:
  std::string path_;
  std::vector<std::string> made_;  // folders, outermost first
  bool keep_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::optional<core::AppendFile> events_;
};

/// What a run found, from its events. A run that did not end counts as interrupted.
RunResult read_run(const std::string& path);

/// Whether the path is a folder that holds a run.
bool is_run_folder(const std::string& path);

}  // namespace mutirao::train
