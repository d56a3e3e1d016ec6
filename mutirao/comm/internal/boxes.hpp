#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace mutirao::comm::internal {

/// Room for what a rank says while boxes are found, with a final zero.
inline constexpr std::size_t kBoxWord = 160;

/// Everybody's word, in the order of the ranks. Collective.
using GatherWords = std::function<std::vector<std::string>(const std::string& word)>;

/// Which ranks are on one box: those that a socket of that box connects and that give the same
/// `box`. The ranks of each, ascending; boxes in the order of their first ranks. `token`: the same
/// in all ranks and in no other run. Collective.
std::vector<std::vector<int>> find_boxes(int rank, int size, const std::string& box,
                                         const std::string& token, const GatherWords& gather);

}  // namespace mutirao::comm::internal
