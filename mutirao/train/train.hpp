#pragma once

// Trains several models on one table at once, each in a process of its own.
//
// Purpose: what `mutirao train` does: reads the data, scores each candidate on folds or on one
// split, fits each once more on all rows, and leaves a run folder. Requires: an exec::Runtime.
// Guarantees: scores and models depend on the data, the configuration and the seed alone, not on
// the number of cores. A candidate that crashes or fails is a row that says so; the others stand.
// Thread safety: one run at a time per program; stop from any thread. Failure: what check(), the
// data and the run folder throw, before anything is left behind; once a candidate has started,
// only a full disk and errors of this library end a run early, and the folder keeps what was done.
// Lifetime: nothing runs any more when train() returns.
//
//   exec::Runtime runtime(argc, argv);
//   RunResult result = train({.data = "diamonds.csv.gz", .target = "price"});
//   std::cout << to_json(result).dump(2) << "\n";

#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string>

#include <sys/types.h>

#include "mutirao/train/config.hpp"
#include "mutirao/train/result.hpp"

namespace mutirao::train {

/// What one candidate is doing.
struct CandidateProgress {
  std::string model;
  pid_t process = 0;        ///< 0: it has not begun yet
  std::size_t fold = 0;     ///< the fold under way, from 0; folds: the final fit
  std::size_t folds = 0;    ///< of the cross-validation; 1 for a single split
  std::uint64_t done = 0;   ///< units (trees) of the fit under way
  std::uint64_t total = 0;  ///< 0: not known
  double seconds = 0.0;     ///< since the candidate began
};

/// Follows a run. Called by one thread at a time, while others train; must not throw.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  /// Every line of events.jsonl, as it is written.
  virtual void on_event(const Json& event) { static_cast<void>(event); }
  /// Ten times a second, from the thread that called train(): the candidates under way, in the
  /// order in which they began.
  virtual void on_progress(std::span<const CandidateProgress> running) {
    static_cast<void>(running);
  }
};

struct TrainOptions {
  /// The run folder; empty: default_run_path().
  std::string out = {};
  RunObserver* observer = nullptr;
  /// Ends the run: what is under way is given up, what was done is kept.
  std::stop_token stop = {};
};

RunResult train(const TrainConfig& config, const TrainOptions& options = {});

}  // namespace mutirao::train
