#include "mutirao/core/memory_use.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <limits>
#include <memory>
#include <sstream>
#include <utility>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/unique_fd.hpp"

namespace mutirao::core {
namespace {

struct Statm {
  std::uint64_t resident = 0;
  std::uint64_t shared = 0;
  std::uint64_t data = 0;
};

/// In pages; all zero when it cannot be read. No memory is allocated.
Statm read_statm(const char* path) noexcept {
  Statm pages;
  const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
  char text[256];
  const ssize_t got = fd ? ::read(fd.get(), text, sizeof text - 1) : -1;
  if (got <= 0) return pages;
  text[got] = '\0';
  unsigned long long size = 0;
  unsigned long long resident = 0;
  unsigned long long shared = 0;
  unsigned long long code = 0;
  unsigned long long library = 0;
  unsigned long long data = 0;
  if (std::sscanf(text, "%llu %llu %llu %llu %llu %llu", &size, &resident, &shared, &code, &library,
                  &data) == 6)
    pages = {resident, shared, data};
  return pages;
}

std::uint64_t page_bytes() noexcept { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }

bool exists(const std::string& path) noexcept { return ::access(path.c_str(), F_OK) == 0; }

void write_word(const std::string& path, const std::string& word) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), word.data(), word.size()) != static_cast<ssize_t>(word.size()))
    throw IoError(fmt::format("cannot write '{}'", path), errno,
                  "name a control group that this user may change");
}

/// The number after `key` in a file of "key number" lines.
bool read_count(const std::string& path, const std::string& key, std::uint64_t& count) {
  std::ifstream file(path);
  std::string word;
  std::uint64_t number = 0;
  while (file >> word >> number) {
    if (word != key) continue;
    count = number;
    return true;
  }
  return false;
}

/// The folder of this process's group in the hierarchy that holds memory; empty: none.
std::pair<std::string, bool> own_group() {
  std::ifstream file("/proc/self/cgroup");
  std::pair<std::string, bool> found;
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (controllers.find(",memory,") != std::string::npos) {
      const std::string folder = "/sys/fs/cgroup/memory" + group;
      if (exists(folder + "/memory.oom_control")) return {folder, false};
    } else if (controllers == ",,") {
      const std::string folder = "/sys/fs/cgroup" + group;
      if (exists(folder + "/memory.events")) found = {folder, true};
    }
  }
  return found;
}

/// Adds what each thread of the process has started and not outlived.
void append_children(pid_t process, std::vector<pid_t>& found) {
  const std::string threads = fmt::format("/proc/{}/task", process);
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(threads.c_str()), &::closedir);
  if (!folder) return;
  while (const dirent* const thread = ::readdir(folder.get())) {
    std::ifstream children(threads + "/" + thread->d_name + "/children");
    for (pid_t child = 0; children >> child;) found.push_back(child);
  }
}

/// Of pages that several processes share, each has its part. 0 when it cannot be read.
std::uint64_t part_of_anonymous_memory(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/smaps_rollup", process));
  std::string word;
  std::uint64_t kibibytes = 0;
  while (file >> word) {
    if (word == "Pss_Anon:" && file >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

}  // namespace

std::uint64_t private_memory_below(pid_t process, std::uint64_t enough) noexcept try {
  std::vector<pid_t> processes{process};
  for (std::size_t i = 0; i < processes.size(); ++i) append_children(processes[i], processes);
  std::uint64_t sum = 0;
  for (const pid_t each : processes) sum += private_memory_of(each);
  if (processes.size() == 1 || sum <= enough) return sum;
  std::uint64_t exact = 0;
  for (const pid_t each : processes) exact += part_of_anonymous_memory(each);
  return exact != 0 ? std::min(sum, exact) : private_memory_of(process);
} catch (...) {
  return private_memory_of(process);
}

std::uint64_t private_memory_of(pid_t process) noexcept {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/statm", static_cast<int>(process));
  const Statm pages = read_statm(path);
  return pages.resident > pages.shared ? (pages.resident - pages.shared) * page_bytes() : 0;
}

std::uint64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  std::uint64_t kibibytes = 0;
  for (std::string unit; file >> name >> kibibytes; std::getline(file, unit)) {
    if (name == "MemAvailable:") return kibibytes * 1024;
  }
  return std::numeric_limits<std::uint64_t>::max();
}

void allow_private_memory(std::uint64_t bytes) noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_DATA, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (bytes != 0) {
    const rlim_t wanted = read_statm("/proc/self/statm").data * page_bytes() + bytes;
    if (limit.rlim_max == RLIM_INFINITY || wanted < limit.rlim_max) limit.rlim_cur = wanted;
  }
  ::setrlimit(RLIMIT_DATA, &limit);
}

void offer_to_memory_killer() noexcept {
  constexpr int kReadily = 500;  // of 1000
  const UniqueFd file(::open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC));
  char text[16] = {};
  if (!file || ::read(file.get(), text, sizeof text - 1) <= 0) return;
  int now = 0;
  if (std::sscanf(text, "%d", &now) != 1 || now >= kReadily) return;
  const int length = std::snprintf(text, sizeof text, "%d", kReadily);
  // Where it is refused, the kernel chooses as it would have.
  static_cast<void>(::pwrite(file.get(), text, static_cast<std::size_t>(length), 0) == length);
}

MemoryGroup::MemoryGroup(const std::string& parent, const std::string& name)
    : folder_(parent + "/" + name) {
  if (::mkdir(folder_.c_str(), 0755) != 0 && errno != EEXIST)
    throw IoError(fmt::format("cannot make the control group '{}'", folder_), errno,
                  "name a control group that this user may change");
  version_2_ = exists(folder_ + "/memory.max");
  if (version_2_ || exists(folder_ + "/memory.limit_in_bytes")) return;
  ::rmdir(folder_.c_str());
  throw Unsupported(fmt::format("the control group '{}' has no memory controller", parent),
                    "enable it: echo +memory > cgroup.subtree_control in that folder");
}

MemoryGroup::~MemoryGroup() { ::rmdir(folder_.c_str()); }

void MemoryGroup::add(pid_t process) {
  write_word(folder_ + "/cgroup.procs", std::to_string(process));
}

void MemoryGroup::limit(std::uint64_t bytes) {
  if (bytes == limit_) return;
  const std::string none = version_2_ ? "max" : "-1";
  write_word(folder_ + (version_2_ ? "/memory.max" : "/memory.limit_in_bytes"),
             bytes != 0 ? std::to_string(bytes) : none);
  limit_ = bytes;
}

std::uint64_t MemoryGroup::kills() const {
  std::uint64_t count = 0;
  read_count(folder_ + (version_2_ ? "/memory.events" : "/memory.oom_control"), "oom_kill", count);
  return count;
}

std::uint64_t kernel_memory_kills() {
  std::uint64_t count = 0;
  const auto [folder, version_2] = own_group();
  if (!folder.empty() && read_count(folder + (version_2 ? "/memory.events" : "/memory.oom_control"),
                                    "oom_kill", count))
    return count;
  read_count("/proc/vmstat", "oom_kill", count);
  return count;
}

std::string delegated_memory_group() {
  // The superuser may write everywhere; that is no sign that a group was meant for this program.
  if (::geteuid() == 0) return {};
  const auto [folder, version_2] = own_group();
  if (folder.empty() || ::access(folder.c_str(), W_OK) != 0) return {};
  if (!version_2) return folder;
  std::ifstream file(folder + "/cgroup.subtree_control");
  for (std::string controller; file >> controller;) {
    if (controller == "memory") return folder;
  }
  return {};
}

}  // namespace mutirao::core
