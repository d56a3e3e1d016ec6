#pragma once

// The report of a run for people: one HTML file that needs nothing beside it and no network.
//
// Guarantees: everything that comes from data or names is escaped; no scripts. Thread safety: one
// report per folder at a time. Failure: core::IoError.

#include <string>

#include "mutirao/train/result.hpp"

namespace mutirao::report {

/// What was trained on what, the leaderboard with the scores of the folds, for classes the
/// confusion matrix of each model and the curve of the positive one, the columns that models rest
/// on, and what became of each
/// column.
std::string html_report(const train::RunResult& result);

/// Writes report.html into the run folder, whole or not at all.
void write_html_report(const train::RunResult& result);

}  // namespace mutirao::report
