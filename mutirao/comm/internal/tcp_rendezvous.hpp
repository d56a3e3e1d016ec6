#pragma once

// How ranks of several machines find each other without MPI.
//
//   rank 0                                   the others
//   listens on the master's port  <- hello - connect, say who they are and of which run
//   looks whether all are there
//                                 - reply -> know the token, and their address as rank 0 sees it
//                 all find, over rank 0, who is on one box
//                 each pair of different boxes gets a connection; those to rank 0 stay
//
// Whatever is wrong, rank 0 says so to all that have come, in one sentence, and everybody throws
// it. Strangers that do not say hello are ignored. As with MPI and with torch's own store, the
// network is trusted: who can reach the ports and knows the run can take part.

#include <chrono>
#include <string>

#include "mutirao/comm/internal/link.hpp"
#include "mutirao/comm/world.hpp"

namespace mutirao::comm::internal {

/// The port on which rank 0 listens: MUTIRAO_COMM_PORT, or master_port, or the one after it where
/// the launcher's own service has that.
int meeting_port(const World& world);

/// Collective. Throws RendezvousFailed, core::InvalidArgument.
LinkedWorld connect_tcp(const World& world, const std::string& box,
                        std::chrono::milliseconds timeout);

}  // namespace mutirao::comm::internal
