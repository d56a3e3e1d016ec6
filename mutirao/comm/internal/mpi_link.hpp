#pragma once

#include <memory>
#include <string>

#include "mutirao/comm/internal/link.hpp"
#include "mutirao/comm/world.hpp"

namespace mutirao::comm::internal {

/// What the ranks of a world know after MPI has connected them.
struct MpiWorld {
  std::unique_ptr<Link> link;
  std::string token;  ///< the same on all ranks, different in every other group
};

/// Starts MPI if nobody has, and finds which ranks are on one box: those that a socket of that box
/// connects and that give the same `box`. Collective over MPI_COMM_WORLD.
/// Throws core::Unsupported, RendezvousFailed.
MpiWorld connect_mpi(const World& world, const std::string& box);

/// At the end of the program MPI is not shut down properly: ranks that are dead would hang it.
void abandon_mpi() noexcept;

}  // namespace mutirao::comm::internal
