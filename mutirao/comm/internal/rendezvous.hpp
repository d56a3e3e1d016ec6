#pragma once

// How the ranks of one box find each other and come to share memory.
//
//   rank 0 of the box                       the others
//   listens under the name   <-- hello --   connect, say who they are
//   looks whether all are there, once each and of one mind
//   makes the memory         -- welcome --> map it
//                            <-- mapped --  say that it worked
//                            --   go   -->
//
// Whatever is wrong, rank 0 says so to all that have come, in one sentence, and everybody throws
// it. The sockets stay: descriptors of buffers travel over them.

#include <chrono>
#include <string>
#include <vector>

#include "mutirao/comm/internal/box_memory.hpp"
#include "mutirao/comm/internal/failure_board.hpp"
#include "mutirao/core/local_socket.hpp"
#include "mutirao/core/mapping.hpp"

namespace mutirao::comm::internal {

struct MeetingPlan {
  std::string name;  ///< of the socket; the same in all ranks of the box and in no other run
  std::vector<int> members;  ///< the ranks of the box, ascending
  int rank = 0;              ///< this one, of `members`
  int world_size = 1;
  std::uint64_t staging_bytes = 0;
  std::chrono::milliseconds timeout{};
};

struct Box {
  core::Mapping mapping;
  BoxMemory::Shape shape;
  std::size_t index = 0;
  std::vector<int> members;
  /// Rank 0 of the box: one per member, its own empty. The others: one, to rank 0.
  std::vector<core::LocalSocket> sockets;

  BoxMemory memory() const noexcept { return {static_cast<std::byte*>(mapping.data()), shape}; }
};

/// Throws RendezvousFailed.
Box meet(const MeetingPlan& plan);

/// A name for a socket, from what the ranks of one run have in common and others do not.
std::string socket_name(const std::string& what);

/// Rank 0 of the box makes memory of `bytes` for everybody and hands it round; all return their
/// descriptor. Throws core::IoError; when memory is refused, in all of them. Collective.
core::UniqueFd share_memory_file(const Box& box, std::size_t bytes,
                                 std::chrono::milliseconds timeout, const FailureBoard& board);

}  // namespace mutirao::comm::internal
