#pragma once

// The folder that a training run leaves behind.
//
// docs/run-folder.md says what is inside: every file, every event. Guarantees: what is in the
// folder was complete when it was written; a run that was killed leaves its events up to then, and
// can go on from them. One process at a time writes: the folder is locked while its RunFolder
// lives. Thread safety: RunFolder: one thread at a time. Failure: core::InvalidArgument for a path
// that cannot become a run folder or that another process writes to, core::IoError for what the
// system refuses and for a folder that was removed, core::CorruptFile for events that are none.
// Lifetime: a RunFolder that is destroyed before keep() removes what it made.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mutirao/core/file.hpp"
#include "mutirao/train/config.hpp"
#include "mutirao/train/result.hpp"

namespace mutirao::train {

namespace internal {
class DiskQueue;
}

/// runs/<data>-<UTC time>, with a number behind it if that is taken.
std::string default_run_path(const std::string& data);

/// One line of JSON; characters that are not UTF-8 are replaced.
std::string one_line(const Json& json);

class RunFolder {
 public:
  /// Makes the folder, or takes one that is there and empty, and writes config.json.
  RunFolder(std::string path, const TrainConfig& config);
  /// Takes the folder of a run, to go on. A last line that was cut short is removed.
  struct Existing {};
  RunFolder(Existing, std::string path);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const noexcept { return path_; }
  /// The path of something inside.
  std::string inside(const std::string& relative) const;
  /// The events that were there when it was opened.
  const std::string& earlier_events() const noexcept { return earlier_events_; }
  /// What config.json asks for; nothing when it is not there.
  std::optional<TrainConfig> config() const;
  /// Writes config.json anew, with what made the run beside it.
  void describe(const TrainConfig& config, const Json& made_by);
  /// Seconds that were spent on the run: by this process, and before.
  double elapsed() const;
  void set_elapsed_before(double seconds) noexcept { elapsed_before_ = seconds; }
  /// Appends one event; "time" and "elapsed" are added. Returns it.
  Json append(const std::string& event, const Json& fields);
  /// Puts files inside on disk, and then the events, while the program goes on. What the disk
  /// refused of it is thrown by a later call, or by sync().
  void sync_soon(const std::vector<std::string>& relative = {});
  /// Puts the events on disk, and waits for it.
  void sync();
  /// Makes a folder inside, if it is not there.
  void make_folder(const std::string& relative) const;
  /// From now on the folder stays, whatever happens.
  void keep() noexcept { keep_ = true; }

 private:
  void lock();
  void write_config(const Json& json) const;
  /// Takes away what this has put on the disk.
  void remove_made() const;

  std::string path_;
  std::vector<std::string> made_;  // folders, outermost first
  bool keep_ = false;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double elapsed_before_ = 0.0;
  std::string earlier_events_;
  std::optional<core::AppendFile> events_;
  const std::unique_ptr<internal::DiskQueue> disk_;
};

/// What a run found, from its events. A run that did not end counts as interrupted.
RunResult read_run(const std::string& path);

/// Whether the path is a folder that holds a run.
bool is_run_folder(const std::string& path);

}  // namespace mutirao::train
