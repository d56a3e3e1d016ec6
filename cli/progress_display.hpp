#pragma once

// A run as it goes, on stderr: on a terminal one live line per candidate under way, elsewhere one
// plain line per event.

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "mutirao/train/train.hpp"

namespace mutirao::cli {

class ProgressDisplay final : public train::RunObserver {
 public:
  enum class Mode { kQuiet, kPlain, kLive };

  /// `tick` is called ten times a second.
  ProgressDisplay(Mode mode, std::function<void()> tick);
  ~ProgressDisplay() override;

  void on_event(const train::Json& event) override;
  void on_progress(std::span<const train::CandidateProgress> running) override;

  /// Whether the run came so far that its folder stays.
  bool data_was_read() const noexcept { return data_was_read_; }

 private:
  void say(const std::string& line);
  void erase_live_lines();

  const Mode mode_;
  const std::function<void()> tick_;
  std::string metric_;
  bool data_was_read_ = false;
  std::size_t live_lines_ = 0;  // that stand below the last plain one
};

/// The live line of one candidate, at most `width` characters.
std::string live_line(const train::CandidateProgress& progress, std::size_t width);

}  // namespace mutirao::cli
