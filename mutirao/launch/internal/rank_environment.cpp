#include "mutirao/launch/internal/rank_environment.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include <arpa/inet.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/unique_fd.hpp"

namespace mutirao::launch::internal {
namespace {

namespace fs = std::filesystem;

bool is_program(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::string find_program(const std::string& program) {
  if (program.empty()) throw core::InvalidArgument("the program to launch has no name");
  if (program.find('/') != std::string::npos) {
    if (is_program(program)) return program;
    std::error_code error;
    const bool there = fs::exists(program, error);
    throw core::InvalidArgument(
        there ? program + " cannot be executed" : "there is no program " + program,
        there ? "chmod +x makes a file a program" : "check the path");
  }
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  while (true) {
    const std::size_t colon = rest.find(':');
    const fs::path folder = rest.substr(0, colon);
    const fs::path candidate = folder.empty() ? fs::path(".") / program : folder / program;
    if (is_program(candidate)) return candidate.string();
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  throw core::InvalidArgument(fmt::format("there is no program '{}' in PATH", program),
                              is_program(program) ? fmt::format("write ./{}", program)
                                                  : "give its path, or check the name");
}

std::vector<int> usable_cores() {
  // Grows until the kernel's set fits: the number of possible cores is not known beforehand.
  for (int most = CPU_SETSIZE; most <= CPU_SETSIZE << 8; most *= 2) {
    cpu_set_t* set = CPU_ALLOC(static_cast<std::size_t>(most));
    if (set == nullptr) break;
    const std::size_t size = CPU_ALLOC_SIZE(static_cast<std::size_t>(most));
    std::vector<int> cores;
    const bool known = ::sched_getaffinity(0, size, set) == 0;
    for (int core = 0; known && core < most; ++core) {
      if (CPU_ISSET_S(static_cast<std::size_t>(core), size, set)) cores.push_back(core);
    }
    CPU_FREE(set);
    if (known) return cores;
    if (errno != EINVAL) break;
  }
  throw core::IoError("cannot read which cores this process may use", errno);
}

std::vector<std::vector<int>> divide_cores(const std::vector<int>& cores, std::size_t ranks) {
  if (cores.size() < ranks) return {};
  std::vector<std::vector<int>> shares(ranks);
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    const auto first = static_cast<std::ptrdiff_t>(rank * cores.size() / ranks);
    const auto last = static_cast<std::ptrdiff_t>((rank + 1) * cores.size() / ranks);
    shares[rank].assign(cores.begin() + first, cores.begin() + last);
  }
  return shares;
}

std::uint16_t free_port() {
  const core::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw core::IoError("cannot find a free port", errno, "give one: --master 127.0.0.1:PORT");
  return ntohs(address.sin_port);
}

std::vector<std::string> environment_of(const LaunchOptions& options, const Start& start,
                                        std::size_t local_rank) {
  std::map<std::string, std::string> own = {
      {"RANK", std::to_string(options.node_rank * options.ranks + local_rank)},
      {"LOCAL_RANK", std::to_string(local_rank)},
      {"WORLD_SIZE", std::to_string(options.nodes * options.ranks)},
      {"LOCAL_WORLD_SIZE", std::to_string(options.ranks)},
      {"GROUP_RANK", std::to_string(options.node_rank)},
      {"GROUP_WORLD_SIZE", std::to_string(options.nodes)},
      {"MASTER_ADDR", options.master_address},
      {"MASTER_PORT", std::to_string(start.master_port)},
      {"TORCHELASTIC_RUN_ID", start.run_id},
      {"TORCHELASTIC_RESTART_COUNT", std::to_string(start.restart)},
      {"TORCHELASTIC_MAX_RESTARTS", std::to_string(options.max_restarts)},
  };
  if (std::getenv("OMP_NUM_THREADS") == nullptr)
    own["OMP_NUM_THREADS"] = std::to_string(start.threads_per_rank);
  std::vector<std::string> variables;
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
    const std::string_view text = *each;
    const std::string name(text.substr(0, text.find('=')));
    // Of a launcher further out: it would send the ranks to a store that is not ours.
    if (own.contains(name) || name == "TORCHELASTIC_USE_AGENT_STORE") continue;
    variables.emplace_back(text);
  }
  for (const auto& [name, value] : own) variables.push_back(name + "=" + value);
  return variables;
}

}  // namespace mutirao::launch::internal
