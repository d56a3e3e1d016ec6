#pragma once

// What the system says of this machine.

#include <optional>
#include <string>
#include <vector>

namespace mutirao::cli {

/// What stands behind `key` and a colon in a file of such lines, the first of them.
std::optional<std::string> field_of(const std::string& path, const std::string& key);

/// The models of the NVIDIA GPUs here, one each.
std::vector<std::string> gpu_names();

}  // namespace mutirao::cli
