#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include <sched.h>
#include <unistd.h>

#include "mutirao/exec/core_budget.hpp"
#include "mutirao/exec/internal/cgroup_quota.hpp"

namespace mutirao::exec {
namespace internal {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

double quota_of(const std::string& quota_text, const std::string& period_text) {
  char* end = nullptr;
  const double quota = std::strtod(quota_text.c_str(), &end);
  const double period = std::strtod(period_text.c_str(), nullptr);
  // "max", -1 and an absent file all mean that there is no limit.
  if (end == quota_text.c_str() || quota <= 0 || period <= 0) return kNoQuota;
  return quota / period;
}

double least_along(const std::string& mount, std::string group,
                   double (*quota_in)(const std::string& folder)) {
  double least = kNoQuota;
  for (;;) {
    least = std::min(least, quota_in(mount + group));
    const std::size_t slash = group.rfind('/');
    if (group.empty() || slash == std::string::npos) return least;
    group.resize(slash);
  }
}

}  // namespace

double cgroup_quota(const std::string& root, const std::string& memberships) {
  double least = kNoQuota;
  std::istringstream lines(memberships);
  for (std::string line; std::getline(lines, line);) {
    // hierarchy:controllers:path; version 2 has no controllers.
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    std::string group = line.substr(second + 1);
    if (group == "/") group.clear();
    if (controllers == ",,") {
      const auto version_2 = [](const std::string& folder) {
        std::istringstream words(first_line(folder + "/cpu.max"));
        std::string quota;
        std::string period = "100000";
        words >> quota >> period;
        return quota_of(quota, period);
      };
      for (const char* mount : {"", "/unified"})
        least = std::min(least, least_along(root + mount, group, +version_2));
    } else if (controllers.find(",cpu,") != std::string::npos) {
      const auto version_1 = [](const std::string& folder) {
        return quota_of(first_line(folder + "/cpu.cfs_quota_us"),
                        first_line(folder + "/cpu.cfs_period_us"));
      };
      for (const char* mount : {"/cpu", "/cpu,cpuacct"})
        least = std::min(least, least_along(root + mount, group, +version_1));
    }
  }
  return least;
}

}  // namespace internal

std::size_t available_cores() {
  std::size_t cores = 1;
  // The mask must be as large as the kernel's, which is not known beforehand.
  for (int possible = 1024; possible <= 1 << 20; possible *= 2) {
    cpu_set_t* mask = CPU_ALLOC(possible);
    const std::size_t bytes = CPU_ALLOC_SIZE(possible);
    const int result = ::sched_getaffinity(0, bytes, mask);
    const int error = errno;
    if (result == 0) cores = static_cast<std::size_t>(CPU_COUNT_S(bytes, mask));
    CPU_FREE(mask);
    if (result == 0 || error != EINVAL) break;
  }
  std::ifstream file("/proc/self/cgroup");
  std::stringstream memberships;
  memberships << file.rdbuf();
  const double quota = internal::cgroup_quota("/sys/fs/cgroup", memberships.str());
  // A quota of 1.5 cores keeps two threads busy for most of each period.
  if (quota < static_cast<double>(cores)) cores = static_cast<std::size_t>(std::ceil(quota));
  if (const char* slurm = std::getenv("SLURM_CPUS_PER_TASK")) {
    const unsigned long given = std::strtoul(slurm, nullptr, 10);
    if (given > 0) cores = std::min<std::size_t>(cores, given);
  }
  return std::max<std::size_t>(cores, 1);
}

}  // namespace mutirao::exec
