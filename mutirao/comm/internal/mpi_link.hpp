#pragma once

#include <string>

#include "mutirao/comm/internal/link.hpp"
#include "mutirao/comm/world.hpp"

namespace mutirao::comm::internal {

/// Whether this build can.
bool has_mpi() noexcept;

/// Starts MPI if nobody has, and finds which ranks are on one box: those that a socket of that box
/// connects and that give the same `box`. Collective over MPI_COMM_WORLD.
/// Throws core::Unsupported, RendezvousFailed.
LinkedWorld connect_mpi(const World& world, const std::string& box);

}  // namespace mutirao::comm::internal
