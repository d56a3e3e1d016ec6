#pragma once

// A run as it goes, on stderr, drawn from its events: on a terminal one live line per fit under
// way, elsewhere one plain line per event.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>

#include "mutirao/train/train.hpp"

namespace mutirao::cli {

/// A fit under way.
struct LiveFit {
  std::string model;
  train::Json fold;  ///< from 1; null: the final fit
  train::Json draw;  ///< null: none, else the number of the draw that is tried out for it
  std::size_t folds = 0;
  std::uint64_t done = 0;   ///< units (trees)
  std::uint64_t total = 0;  ///< 0: not known
  std::size_t cores = 1;    ///< that it holds
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
};

/// The live line of one fit, at most `width` characters.
std::string live_line(const LiveFit& fit, double seconds, std::size_t width);

class ProgressDisplay final : public train::RunObserver {
 public:
  enum class Mode { kQuiet, kPlain, kLive };

  explicit ProgressDisplay(Mode mode) : mode_(mode) {}
  ~ProgressDisplay() override;

  void on_event(const train::Json& event) override;
  void on_tick() override;

  /// Whether the run came so far that its folder stays.
  bool data_was_read() const noexcept { return data_was_read_; }

 private:
  void follow(const train::Json& event);
  void say(const std::string& line);
  void erase_live_lines();

  const Mode mode_;
  std::string metric_;
  bool data_was_read_ = false;
  std::list<LiveFit> running_;  // in the order in which they began
  std::size_t live_lines_ = 0;  // that stand below the last plain one
};

}  // namespace mutirao::cli
