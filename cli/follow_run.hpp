#pragma once

// A run in the foreground, as train and resume have it: progress on stderr, Ctrl-C, the report, the
// result on stdout, the exit code.

#include <functional>
#include <string>

#include "mutirao/train/train.hpp"

namespace mutirao::cli {

struct FollowOptions {
  bool json = false;    ///< the result as one object, not as a table
  bool quiet = false;   ///< nothing on stderr but errors
  bool events = false;  ///< events on stdout, one a line, and behind them the object if wanted
  std::string run;      ///< the run folder, for messages
};

int follow_run(const FollowOptions& options,
               const std::function<train::RunResult(const train::TrainOptions&)>& run);

}  // namespace mutirao::cli
