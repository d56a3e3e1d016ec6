#include "mutirao/comm/world.hpp"

#include <charconv>
#include <cstdlib>
#include <vector>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"

namespace mutirao::comm {
namespace {

constexpr const char* kHowToStart =
    "start it with `mutirao launch --nproc N PROGRAM`, `mpirun -np N PROGRAM` or `srun -n N "
    "PROGRAM`, or set RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT in every rank";

/// Step numbers from here on are Slurm's own: the batch script, the interactive shell.
constexpr long long kFirstSpecialStep = 0xfffffff0LL;

long long number_in(const std::string& name, const std::string& text) {
  long long value = 0;
  const char* const end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || last != end || value < 0)
    throw core::InvalidArgument(fmt::format("{} is '{}', which is no number", name, text),
                                "a launcher sets it; unset it or set a number from 0 on");
  return value;
}

/// One launcher's word about rank and size, with the variables that it comes from.
struct Claim {
  std::string source;
  int rank = 0;
  int size = 0;
  std::string words;  // "RANK=1, WORLD_SIZE=4"
};

class Reader {
 public:
  explicit Reader(const Environment& environment) : environment_(environment) {}

  std::optional<std::string> text(const std::string& name) const {
    auto value = environment_(name);
    if (value && value->empty()) value.reset();
    return value;
  }
  std::optional<int> number(const std::string& name) const {
    const auto value = text(name);
    if (!value) return std::nullopt;
    return static_cast<int>(number_in(name, *value));
  }
  bool has(const std::string& name) const { return text(name).has_value(); }

  /// Nothing when neither is set; an error when only one is.
  std::optional<Claim> claim(const std::string& source, const std::string& rank_name,
                             const std::string& size_name) const {
    const auto rank = number(rank_name);
    const auto size = number(size_name);
    if (!rank && !size) return std::nullopt;
    if (!rank || !size)
      throw core::InvalidArgument(
          fmt::format("{} is set, but {} is not", rank ? rank_name : size_name,
                      rank ? size_name : rank_name),
          kHowToStart);
    return Claim{source, *rank, *size,
                 fmt::format("{}={}, {}={}", rank_name, *rank, size_name, *size)};
  }

 private:
  const Environment& environment_;
};

std::optional<Claim> pmix_claim(const Reader& reader) {
  const auto rank = reader.number("PMIX_RANK");
  if (!rank) return std::nullopt;
  // PMIx has no variable for the size: whoever started the ranks has one.
  for (const char* name :
       {"OMPI_COMM_WORLD_SIZE", "WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "PMI_SIZE"}) {
    if (const auto size = reader.number(name))
      return Claim{"PMIx", *rank, *size, fmt::format("PMIX_RANK={}, {}={}", *rank, name, *size)};
  }
  throw core::InvalidArgument(
      "PMIX_RANK says which rank this is, but no variable says how many there are",
      "set WORLD_SIZE to the number of ranks in every rank");
}

bool in_slurm_step(const Reader& reader) {
  for (const char* name : {"SLURM_STEP_ID", "SLURM_STEPID"}) {
    if (const auto step = reader.text(name)) return number_in(name, *step) < kFirstSpecialStep;
  }
  return false;
}

std::string torchrun_id(const Reader& reader) {
  return fmt::format("torchelastic {} restart {}", reader.text("TORCHELASTIC_RUN_ID").value_or(""),
                     reader.text("TORCHELASTIC_RESTART_COUNT").value_or("0"));
}

void fill_from_ranks_variables(const Reader& reader, World& world) {
  world.local_rank = reader.number("LOCAL_RANK").value_or(0);
  world.local_size = reader.number("LOCAL_WORLD_SIZE").value_or(0);
  if (reader.has("TORCHELASTIC_RUN_ID")) {
    world.source = "mutirao launch or torchrun";  // which set the same
    world.run_id = torchrun_id(reader);
    world.master_port_is_taken =
        reader.text("TORCHELASTIC_USE_AGENT_STORE").value_or("False") == "True";
  }
}

void fill_from_slurm(const Reader& reader, World& world) {
  world.local_rank = reader.number("SLURM_LOCALID").value_or(0);
  // "4" or "2(x3)": the same on all machines; anything else does not tell ours.
  const std::string tasks = reader.text("SLURM_STEP_TASKS_PER_NODE").value_or("");
  const auto end = tasks.find_first_not_of("0123456789");
  if (!tasks.empty() && (end == std::string::npos || tasks.substr(end, 2) == "(x")) {
    const bool everywhere = tasks.find(',') == std::string::npos;
    if (everywhere) world.local_size = std::atoi(tasks.c_str());
  }
  world.run_id = fmt::format("slurm {}.{}", reader.text("SLURM_JOB_ID").value_or(""),
                             reader.text("SLURM_STEP_ID").value_or("0"));
}

void fill(const Reader& reader, const std::string& source, World& world) {
  world.source = source;
  if (source == "RANK and WORLD_SIZE") {
    fill_from_ranks_variables(reader, world);
  } else if (source == "mpirun") {
    world.local_rank = reader.number("OMPI_COMM_WORLD_LOCAL_RANK").value_or(0);
    world.local_size = reader.number("OMPI_COMM_WORLD_LOCAL_SIZE").value_or(0);
  } else if (source == "srun") {
    fill_from_slurm(reader, world);
  } else if (source == "PMI") {
    world.local_rank = reader.number("MPI_LOCALRANKID").value_or(0);
    world.local_size = reader.number("MPI_LOCALNRANKS").value_or(0);
  }
  if (world.run_id.empty()) {
    for (const char* name : {"MUTIRAO_RUN_ID", "PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid"}) {
      if (world.run_id.empty()) world.run_id = reader.text(name).value_or("");
    }
  }
}

std::vector<Claim> claims_of(const WorldOptions& options, const Reader& reader) {
  std::vector<Claim> claims;
  if (options.rank.has_value() != options.size.has_value())
    throw core::InvalidArgument("of rank and world size only one is given as an option",
                                "give both, or neither");
  if (options.rank)
    claims.push_back({"options", *options.rank, *options.size,
                      fmt::format("rank {}, size {}", *options.rank, *options.size)});
  const auto add = [&claims](std::optional<Claim> claim) {
    if (claim) claims.push_back(*std::move(claim));
  };
  add(reader.claim("RANK and WORLD_SIZE", "RANK", "WORLD_SIZE"));
  add(reader.claim("mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"));
  add(pmix_claim(reader));
  add(reader.claim("PMI", "PMI_RANK", "PMI_SIZE"));
  // A launcher that srun started once per machine hands the step's variables down to its ranks.
  const bool launched_inside = reader.has("MUTIRAO_RUN_ID") || reader.has("TORCHELASTIC_RUN_ID") ||
                               reader.has("OMPI_COMM_WORLD_RANK");
  if (!launched_inside && in_slurm_step(reader)) {
    const char* const size =
        reader.has("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS";
    add(reader.claim("srun", "SLURM_PROCID", size));
  }
  return claims;
}

}  // namespace

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value ? std::optional<std::string>(value) : std::nullopt;
}

World find_world(const WorldOptions& options, const Environment& environment) {
  const Reader reader(environment);
  const std::vector<Claim> claims = claims_of(options, reader);
  World world;
  if (!claims.empty()) {
    const Claim& first = claims.front();
    for (const Claim& other : claims) {
      if (other.rank != first.rank || other.size != first.size)
        throw core::InvalidArgument(
            fmt::format("two sources disagree about who this process is: {} says {}; {} says {}",
                        first.source, first.words, other.source, other.words),
            "unset the variables of the one that did not start this program");
    }
    world.rank = first.rank;
    world.size = first.size;
    for (const Claim& claim : claims) {
      if (claim.source == "options") continue;
      fill(reader, claim.source, world);
      break;
    }
    if (first.source == "options") world.source = "options";
  }
  world.master_address =
      options.master_address.value_or(reader.text("MASTER_ADDR").value_or(std::string()));
  world.master_port = options.master_port.value_or(reader.number("MASTER_PORT").value_or(0));
  if (options.run_id) world.run_id = *options.run_id;

  if (world.size < 1 || world.rank < 0 || world.rank >= world.size)
    throw core::InvalidArgument(
        fmt::format("there is no rank {} in a world of {}", world.rank, world.size),
        "ranks count from 0 to the world size less one");
  if (world.master_port < 0 || world.master_port > 65535)
    throw core::InvalidArgument(fmt::format("{} is no port", world.master_port),
                                "MASTER_PORT is a number from 1 to 65535");
  if (world.size < options.least_size)
    throw core::InvalidArgument(
        claims.empty() ? std::string("this program was started alone, but needs other ranks")
                       : fmt::format("there are {} ranks, but at least {} are needed", world.size,
                                     options.least_size),
        kHowToStart);
  if (world.size > 1 && world.run_id.empty() &&
      (world.master_address.empty() || world.master_port == 0))
    throw core::InvalidArgument(
        fmt::format("nothing says where the {} ranks meet: {} is not set", world.size,
                    world.master_address.empty() ? "MASTER_ADDR" : "MASTER_PORT"),
        kHowToStart);
  if (claims.empty() || (world.local_size == 0 && world.size == 1)) world.local_size = 1;
  return world;
}

}  // namespace mutirao::comm
