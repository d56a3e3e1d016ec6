#pragma once

// How a candidate that did not end well shows on the leaderboard.

#include "mutirao/train/result.hpp"

namespace mutirao::train::internal {

/// Describes the exception that is being handled.
void describe_failure(CandidateResult& row);

}  // namespace mutirao::train::internal
