#pragma once

// What about a column may not be what its owner believes.
//
// Purpose: sentences for people, said before anything is trained. Guarantees: depends on the column
// alone; most columns give none. Thread safety: pure.

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "mutirao/data/table.hpp"

namespace mutirao::data {

/// Whole numbers beyond 2^53, which are rounded; numbers so large that their squares overflow; text
/// of which at least half are dates or numbers, written as they are read here or as people write
/// them elsewhere (cell_text.hpp). `position_of` says where a row stands: "line 7".
std::vector<std::string> doubts_about(const Column& column,
                                      const std::function<std::string(std::size_t)>& position_of);

/// The first row whose text is no date, if the column holds dates more often than not, otherwise
/// the first whose text is no number; absent when there is none. Missing cells do not count.
std::optional<std::size_t> first_odd_text(const Column& column);

}  // namespace mutirao::data
