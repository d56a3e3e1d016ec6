#include "cli/machine.hpp"

#include <filesystem>
#include <fstream>
#include <system_error>

namespace mutirao::cli {

std::optional<std::string> field_of(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (!line.starts_with(key) || colon == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return std::nullopt;
}

std::vector<std::string> gpu_names() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& gpu : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", error))
    names.push_back(field_of((gpu.path() / "information").string(), "Model").value_or("NVIDIA"));
  return names;
}

}  // namespace mutirao::cli
