// One rank of a program under mpirun: the suite of tests/comm over whatever backend is asked for.
// usage: comm_rank suite|stopped|throws|absent|different [BOX WORDS, one per rank]

#include <csignal>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

#include "../comm/conformance.hpp"
#include "mutirao/core/error.hpp"

namespace {

using namespace mutirao;
using namespace std::chrono_literals;

/// The others must hear that the last rank is at fault; that one ends by being killed or by itself.
int fault(const std::string& what, comm::Communicator& ranks) {
  const int victim = ranks.size() - 1;
  std::vector<std::int64_t> processes(static_cast<std::size_t>(ranks.size()));
  const std::int64_t mine = ::getpid();
  ranks.all_gather(std::span(&mine, 1), std::span(processes)).wait();
  std::vector<float> values(1000);
  const auto wait_to_be_killed = [] {
    for (;;) ::pause();
  };
  try {
    if (ranks.rank() == victim) {
      if (what == "stopped") ::raise(SIGSTOP);
      if (what == "throws") throw std::runtime_error("trouble");
      if (what == "absent" || what == "stopped") wait_to_be_killed();
      ranks.broadcast(std::span(values), 0).wait();
    } else {
      ranks.all_reduce(std::span(values)).wait();
    }
  } catch (const comm::GroupFailed& error) {
    const bool named =
        std::string(error.what()).find("rank " + std::to_string(victim)) != std::string::npos;
    std::printf("%s: %s\n", named ? "named" : "NOT NAMED", error.what());
    std::fflush(stdout);
    // Whoever is left would keep mpirun waiting.
    if (ranks.rank() == 0 && what != "throws" && what != "different") {
      ::sleep(1);
      ::kill(static_cast<pid_t>(processes.back()), SIGKILL);
    }
    return named ? 0 : 1;
  } catch (const std::runtime_error& error) {
    return std::strcmp(error.what(), "trouble") == 0 ? 0 : 1;
  }
  std::printf("nothing failed\n");
  return 1;
}

int run(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  comm::CommunicatorOptions options;
  options.backend = comm::Backend::kMpi;
  options.world = comm::find_world({.least_size = 1});
  if (what == "absent") options.collective_timeout = 500ms;
  const int words = argc - 2;
  if (words > 0) options.box = argv[2 + options.world->rank % words];
  comm::Communicator ranks(options);
  if (ranks.rank() == 0) std::printf("%s\n", ranks.description().c_str());
  if (what != "suite") return fault(what, ranks);
  comm::check_everything(ranks);
  comm::check_large(ranks, 20'000'000);
  if (ranks.rank() == 0) std::printf("suite passed\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::printf("error: %s\n", core::describe(error).c_str());
    return 1;
  }
}
