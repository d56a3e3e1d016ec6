#pragma once

// Who this process is among the processes that were started together.
//
// Purpose: rank, world size and where to meet, from what the launcher left in the environment.
// Guarantees: sources are looked at in this order, and all that are present must agree:
//   explicit options; RANK, WORLD_SIZE, ... (mutirao launch, torchrun, by hand); OMPI_COMM_WORLD_*
//   (mpirun); PMIX_RANK or PMI_RANK with a size; SLURM_* of a step.
// Slurm's count only inside a step that srun started, and not when mpirun, torchrun or mutirao
// launch was started by that step. Nothing at all is a world of one. A source that says half
// (RANK without WORLD_SIZE) is an error.
// Thread safety: find_world reads the environment, which nobody may change meanwhile.
// Failure: core::InvalidArgument; what disagrees is named, and the hint says how to start.
//
//   mutirao::comm::World world = mutirao::comm::find_world();
//   if (world.rank == 0) fmt::print("{} ranks, from {}\n", world.size, world.source);

#include <functional>
#include <optional>
#include <string>

namespace mutirao::comm {

struct World {
  int rank = 0;
  int size = 1;
  int local_rank = 0;  ///< among the ranks that this launcher started on this machine
  int local_size = 0;  ///< how many those are; 0: the launcher does not say
  /// Where rank 0 can be found from other machines; port 0 or an empty address: not said.
  std::string master_address;
  int master_port = 0;
  /// The launcher's own service answers on master_port (torchrun): not a port to listen on.
  bool master_port_is_taken = false;
  /// The same in all ranks of one run, different in another: job, restart count.
  std::string run_id;
  std::string source = "alone";  ///< who says so: "mpirun", "srun", ...

  friend bool operator==(const World&, const World&) = default;
};

struct WorldOptions {
  /// Instead of what the environment says; rank and size go together. They must not contradict it.
  std::optional<int> rank;
  std::optional<int> size;
  std::optional<std::string> master_address;
  std::optional<int> master_port;
  std::optional<std::string> run_id;
  /// Fewer ranks than these are an error that says how to start more.
  int least_size = 1;
};

/// What a variable holds; nothing when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
/// The environment of this process.
std::optional<std::string> process_environment(const std::string& name);

World find_world(const WorldOptions& options = {},
                 const Environment& environment = process_environment);

}  // namespace mutirao::comm
