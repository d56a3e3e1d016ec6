#pragma once

#include <memory>
#include <string>

#include "mutirao/comm/communicator.hpp"
#include "mutirao/comm/internal/group.hpp"

namespace mutirao::comm::internal {

/// What Communicator stands on, and why it is that.
struct OpenedGroup {
  Backend backend = Backend::kShm;
  std::string why;
  std::shared_ptr<void> membership;  ///< this process is this rank, once
  std::shared_ptr<Group> group;
};

/// Chooses the backend and meets the other ranks.
OpenedGroup open_group(const CommunicatorOptions& options, const World& world);

}  // namespace mutirao::comm::internal
