#pragma once

// Pieces of the HTML report.

#include <string>
#include <string_view>

#include "mutirao/train/result.hpp"

namespace mutirao::report::internal {

std::string escaped(std::string_view text);
std::string number_cell(const std::string& text);

/// Of classes: for each model the confusion matrix of its tested rows and, of two classes, its
/// curve. Empty when there is nothing to show.
std::string class_details(const train::RunResult& result);

/// What each model that tells it rests on, as bars. Empty when none tells.
std::string importances(const train::RunResult& result);

}  // namespace mutirao::report::internal
