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

#include <stop_token>
#include <string>

#include "mutirao/train/config.hpp"
#include "mutirao/train/result.hpp"

namespace mutirao::train {

/// Follows a run. Called by the thread that called train(); must not throw.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  /// Every line of events.jsonl (docs/run-folder.md), as it is written.
  virtual void on_event(const Json& event) { static_cast<void>(event); }
  /// About ten times a second.
  virtual void on_tick() {}
};

struct TrainOptions {
  /// The run folder; empty: default_run_path().
  std::string out = {};
  RunObserver* observer = nullptr;
  /// Ends the run: what is under way is given up, what was done is kept.
  std::stop_token stop = {};
};

RunResult train(const TrainConfig& config, const TrainOptions& options = {});

/// Goes on with a run that was interrupted, killed, or ended by its time limit: what was done
/// stands, what was under way is done again, and the result is that of a run that nobody disturbed.
/// A time limit counts anew. A run that is complete is only read. Throws core::InvalidInput when
/// the data, config.json or the version of this program are not those that the run began with,
/// core::InvalidArgument while another process writes to it. `options.out` is not looked at.
RunResult resume(const std::string& run, const TrainOptions& options = {});

}  // namespace mutirao::train
