#include "mutirao/comm/internal/open_group.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <numeric>
#include <set>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/comm/internal/host_group.hpp"
#include "mutirao/comm/internal/mpi_link.hpp"
#include "mutirao/comm/internal/nccl_group.hpp"
#include "mutirao/comm/internal/tcp_rendezvous.hpp"
#include "mutirao/core/error.hpp"

namespace mutirao::comm::internal {
namespace {

struct Choice {
  Backend backend;
  std::string why;
};

Backend backend_named(const std::string& name) {
  for (const Backend backend : {Backend::kShm, Backend::kMpi, Backend::kTcp, Backend::kNccl}) {
    if (name_of(backend) == name) return backend;
  }
  throw core::InvalidArgument(fmt::format("MUTIRAO_COMM_BACKEND is '{}'", name),
                              "set shm, mpi, tcp or nccl, or unset it");
}

/// MPI connects what an MPI launcher has started, and nothing else.
Backend link_between_boxes(const World& world) {
  constexpr std::array kMpiLaunchers{"mpirun", "PMIx", "PMI", "srun"};
  const bool by_mpi =
      std::find(kMpiLaunchers.begin(), kMpiLaunchers.end(), world.source) != kMpiLaunchers.end();
  const bool tcp_can = !world.master_address.empty() && meeting_port(world) != 0;
  return by_mpi && (has_mpi() || !tcp_can) ? Backend::kMpi : Backend::kTcp;
}

Choice choose(const CommunicatorOptions& options, const World& world) {
  if (options.backend != Backend::kAutomatic) return {options.backend, "asked for"};
  if (const auto name = process_environment("MUTIRAO_COMM_BACKEND"))
    return {backend_named(*name), "MUTIRAO_COMM_BACKEND"};
  if (options.device) return {Backend::kNccl, "chosen: a GPU was given"};
  if (world.size == 1) return {Backend::kShm, "chosen: there is one rank"};
  if (world.local_size == world.size)
    return {Backend::kShm, "chosen: the launcher started all ranks on this machine"};
  if (world.local_size == 0)
    return {Backend::kShm, "chosen: nothing says that ranks are on other machines"};
  return {link_between_boxes(world),
          fmt::format("chosen: the launcher started {} of {} ranks on this machine",
                      world.local_size, world.size)};
}

bool all_on_this_box(const World& world) {
  return world.local_size == 0 || world.local_size == world.size;
}

std::string box_word(const CommunicatorOptions& options) {
  if (!options.box.empty()) return options.box;
  return process_environment("MUTIRAO_COMM_BOX").value_or(std::string());
}

/// What all ranks of one run on this machine have in common.
std::string name_of_run(const CommunicatorOptions& options, const World& world) {
  return fmt::format("{}\n{}\n{}\n{}", world.master_address, world.master_port, world.run_id,
                     box_word(options));
}

/// The groups that this process is in, each as one rank: being twice the same would hang the
/// others.
class Membership {
 public:
  explicit Membership(std::string name) : name_(std::move(name)) {}
  static std::shared_ptr<Membership> of(const std::string& run, int rank) {
    const std::string name = fmt::format("{}\n{}\n{}", ::getpid(), rank, run);
    const std::lock_guard lock(mutex());
    if (!names().insert(name).second)
      throw core::InvalidArgument(
          fmt::format("this process has a Communicator as rank {} of this run already", rank),
          "use that one, or destroy it first");
    return std::make_shared<Membership>(name);
  }
  ~Membership() {
    const std::lock_guard lock(mutex());
    names().erase(name_);
  }
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

 private:
  static std::mutex& mutex() {
    static std::mutex mutex;
    return mutex;
  }
  static std::set<std::string>& names() {
    // It outlives static Communicators.
    static std::set<std::string>& names = *new std::set<std::string>();
    return names;
  }

  const std::string name_;
};

std::uint64_t staging_bytes(const CommunicatorOptions& options, int size) {
  constexpr std::uint64_t kPage = 4096;
  // A piece has room for an element of each rank's block.
  const std::uint64_t least = std::max<std::uint64_t>(64 << 10, 64ULL * size);
  return (std::max<std::uint64_t>(options.staging_bytes, least) + kPage - 1) / kPage * kPage;
}

MeetingPlan plan_of(const CommunicatorOptions& options, const World& world) {
  MeetingPlan plan;
  plan.rank = world.rank;
  plan.world_size = world.size;
  plan.staging_bytes = staging_bytes(options, world.size);
  plan.timeout = options.rendezvous_timeout;
  return plan;
}

HostGroup::Options host_options(const CommunicatorOptions& options, const World& world) {
  return {world.rank, world.size, options.collective_timeout, options.silence_timeout};
}

std::shared_ptr<Group> open_shm(const CommunicatorOptions& options, const World& world) {
  MeetingPlan plan = plan_of(options, world);
  plan.name = socket_name(world.size == 1
                              // Nobody else comes: nobody else may be disturbed.
                              ? fmt::format("alone {} {}", ::getpid(), name_of_run(options, world))
                              : name_of_run(options, world));
  plan.members.resize(static_cast<std::size_t>(world.size));
  std::iota(plan.members.begin(), plan.members.end(), 0);
  return std::make_shared<HostGroup>(meet(plan), host_options(options, world));
}

std::shared_ptr<Group> open_linked(const CommunicatorOptions& options, const World& world,
                                   Backend backend) {
  LinkedWorld found = backend == Backend::kMpi
                          ? connect_mpi(world, box_word(options))
                          : connect_tcp(world, box_word(options), options.rendezvous_timeout);
  MeetingPlan plan = plan_of(options, world);
  for (const auto& members : found.link->boxes()) {
    if (std::binary_search(members.begin(), members.end(), world.rank)) plan.members = members;
  }
  plan.name = socket_name(fmt::format("{} of {}", found.token, plan.members.front()));
  const bool alone = found.link->boxes().size() == 1;
  return std::make_shared<HostGroup>(meet(plan), host_options(options, world),
                                     alone ? nullptr : std::move(found.link));
}

}  // namespace

OpenedGroup open_group(const CommunicatorOptions& options, const World& world) {
  const Choice choice = choose(options, world);
  OpenedGroup opened{choice.backend, choice.why, nullptr, nullptr};
  opened.membership = Membership::of(name_of_run(options, world), world.rank);
  switch (choice.backend) {
    case Backend::kAutomatic:
    case Backend::kShm:
      opened.group = open_shm(options, world);
      break;
    case Backend::kMpi:
    case Backend::kTcp:
      opened.group = open_linked(options, world, choice.backend);
      break;
    case Backend::kNccl:
      opened.group = open_nccl(
          std::static_pointer_cast<HostGroup>(
              all_on_this_box(world) ? open_shm(options, world)
                                     : open_linked(options, world, link_between_boxes(world))),
          {world.rank, world.size, options.device.value_or(world.local_rank),
           options.device_stream});
      break;
  }
  return opened;
}

}  // namespace mutirao::comm::internal
