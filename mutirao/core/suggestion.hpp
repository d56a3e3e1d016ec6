#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mutirao::core {

/// The candidate nearest to what was typed (Damerau-Levenshtein distance, case ignored), if near
/// enough to be a slip: at most a third of the longer length, at least one edit allowed. Ties go to
/// the first. Thread safety: pure.
std::optional<std::string> nearest_name(std::string_view typed,
                                        std::span<const std::string> candidates);

/// "did you mean 'price'?", or the names themselves (at most `shown`) when none is near: "known:
/// carat, cut, ...".
std::string suggestion(std::string_view typed, std::span<const std::string> candidates,
                       std::size_t shown = 12);

}  // namespace mutirao::core
