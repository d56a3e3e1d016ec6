#pragma once

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <sys/types.h>
#include <unistd.h>

namespace mutirao::exec {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;  // its own memory counts as the task's
#else
inline constexpr bool kSanitized = false;
#endif

/// What this process has open, by name of what lies behind each descriptor.
inline std::multiset<std::string> open_descriptors() {
  std::multiset<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(entry, error).string();
    // The one that lists the folder is gone by now.
    if (!error) found.insert(target.substr(0, target.find(':')));
  }
  return found;
}

/// How many pieces of memory that travels between processes are mapped here.
inline std::size_t shared_mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);)
    count += line.find("/memfd:mutirao") != std::string::npos ? 1 : 0;
  return count;
}

inline std::vector<pid_t> children_of(pid_t process) {
  std::vector<pid_t> found;
  const std::string number = std::to_string(process);
  std::ifstream file("/proc/" + number + "/task/" + number + "/children");
  for (pid_t child; file >> child;) found.push_back(child);
  return found;
}

/// The workers alive: children of this process's one child, the zygote.
inline std::vector<pid_t> live_workers() {
  const std::vector<pid_t> zygotes = children_of(::getpid());
  return zygotes.size() == 1 ? children_of(zygotes.front()) : std::vector<pid_t>{};
}

/// Those that have come as far as looking for tasks: a worker that is killed before it could do
/// anything is replaced three times in a row, no more.
inline std::vector<pid_t> serving_workers() {
  std::vector<pid_t> found;
  for (const pid_t worker : live_workers()) {
    std::string name;
    std::getline(std::ifstream("/proc/" + std::to_string(worker) + "/comm"), name);
    if (name == "mutirao-worker") found.push_back(worker);
  }
  return found;
}

}  // namespace mutirao::exec
