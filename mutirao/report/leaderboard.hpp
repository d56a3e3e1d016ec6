#pragma once

// The leaderboard as people read it on a terminal.
//
// Guarantees: plain text, one line per model, columns aligned, no line that ends in blanks.
// Thread safety: pure.

#include <string>

#include "mutirao/train/result.hpp"

namespace mutirao::report {

/// A heading, then one line per model, best first: rank (the baseline has none), model, the run's
/// metric and its spread over the folds, the other metrics, seconds of all folds and of the final
/// fit, peak memory. A candidate that did not end well shows its status and its error instead.
std::string leaderboard_table(const train::RunResult& result);

/// "12.3 s", "1 min 05 s", "312 MB": as short as it stays telling.
std::string duration_text(double seconds);
std::string bytes_text(std::uint64_t bytes);
/// Five significant digits; "-" when not defined.
std::string number_text(double value);

}  // namespace mutirao::report
