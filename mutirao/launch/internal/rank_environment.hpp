#pragma once

// What each rank is started with: its program, its variables, its cores.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mutirao/launch/launch.hpp"

namespace mutirao::launch::internal {

/// The file to execute: `program` itself when it names a folder, else the first in PATH. Throws
/// core::InvalidArgument when there is none that may be executed.
std::string find_program(const std::string& program);

/// The numbers of the cores that this thread may run on, increasing.
std::vector<int> usable_cores();

/// The share of each of n ranks: neighbours together, as even as can be. Nothing (no pinning) when
/// there are fewer cores than ranks.
std::vector<std::vector<int>> divide_cores(const std::vector<int>& cores, std::size_t ranks);

/// A TCP port that nobody listens on, on this machine.
std::uint16_t free_port();

/// What all starts of one run share.
struct Start {
  std::string run_id;
  std::uint16_t master_port = 0;
  std::size_t restart = 0;
  std::size_t threads_per_rank = 1;
};

/// The variables of a rank, "NAME=value": those of this program, with its own set or replaced.
std::vector<std::string> environment_of(const LaunchOptions& options, const Start& start,
                                        std::size_t local_rank);

}  // namespace mutirao::launch::internal
