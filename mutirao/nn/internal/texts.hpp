#pragma once

// Texts that ranks tell each other.

#include <string>
#include <vector>

#include "mutirao/comm/communicator.hpp"

namespace mutirao::nn::internal {

/// Every rank's text. Collective.
std::vector<std::string> gather_texts(comm::Communicator& ranks, const std::string& mine);

/// Rank 0's text. Collective.
std::string broadcast_text(comm::Communicator& ranks, std::string text);

}  // namespace mutirao::nn::internal
