#pragma once

#include <limits>
#include <string>

namespace mutirao::exec::internal {

inline constexpr double kNoQuota = std::numeric_limits<double>::infinity();

/// How many cores' worth of time the control groups allow: the least along the way from this
/// process's groups to the root, versions 1 and 2. `root`: where they are mounted; `memberships`:
/// the text of /proc/self/cgroup.
double cgroup_quota(const std::string& root, const std::string& memberships);

}  // namespace mutirao::exec::internal
