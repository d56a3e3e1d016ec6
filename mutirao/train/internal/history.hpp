#pragma once

// What the events of a run say was done, for a run that goes on.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mutirao/train/config.hpp"

namespace mutirao::train::internal {

struct History {
  bool started = false;
  std::string version;  // of the program that started the run
  TrainConfig config;
  double elapsed = 0.0;  // of the last event
  /// The process that writes, or wrote, the events.
  Json process;
  std::string host;
  Json data_read;                                 // null: the data had not been read
  std::set<std::string> notes, warnings;          // that were said
  std::set<std::string> begun;                    // labels
  std::map<std::string, std::vector<Json>> fits;  // by label: events of what ended well, and draws
  /// By label: how candidates ended. Those that a time limit ended are not among them.
  std::map<std::string, std::string> ended;
  bool complete = false;
};

/// Calls `take` with each event of whole lines. Throws core::CorruptFile that names the line where
/// it is none, or `take` throws.
void for_each_event(const std::string& events, const std::string& path,
                    const std::function<void(const Json&)>& take);

/// Of whole lines. Throws core::CorruptFile that names the line.
History read_history(const std::string& events, const std::string& path);

/// The number of bytes up to the last line break: behind it a line was being written when the run
/// was killed.
std::size_t whole_lines(const std::string& events) noexcept;

}  // namespace mutirao::train::internal
