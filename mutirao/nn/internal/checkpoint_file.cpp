#include "mutirao/nn/internal/checkpoint_file.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <system_error>

#include <fmt/format.h>
#include <xxhash.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/file.hpp"

namespace mutirao::nn::internal {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBefore = "checkpoint-";
constexpr std::string_view kAfter = ".mutirao";

struct Sizes {
  std::uint64_t payload_bytes;
  std::uint64_t sum;
};
constexpr std::size_t kHeaderBytes = kCheckpointMagic.size() + sizeof(Sizes);
static_assert(std::endian::native == std::endian::little);

std::optional<std::int64_t> step_of(std::string_view name) {
  if (!name.starts_with(kBefore) || !name.ends_with(kAfter)) return std::nullopt;
  name.remove_prefix(kBefore.size());
  name.remove_suffix(kAfter.size());
  std::int64_t step = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), step);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return step;
}

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw core::CorruptFile(fmt::format("{} is no whole checkpoint: {}", path, why),
                          "remove it; the one before is used");
}

}  // namespace

std::string checkpoint_path(const std::string& folder, std::int64_t step) {
  return (fs::path(folder) / fmt::format("{}{}{}", kBefore, step, kAfter)).string();
}

std::vector<std::int64_t> checkpoint_steps(const std::string& folder) {
  std::vector<std::int64_t> steps;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator(folder, gone)) {
    if (const auto step = step_of(entry.path().filename().string())) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end(), std::greater<>());
  return steps;
}

void write_checkpoint(const std::string& folder, std::int64_t step, std::string_view payload) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw core::IoError(fmt::format("cannot make the folder {}", folder), error.value());
  core::AtomicFile file(checkpoint_path(folder, step));
  const Sizes sizes{.payload_bytes = payload.size(),
                    .sum = XXH3_64bits(payload.data(), payload.size())};
  file.write(kCheckpointMagic);
  file.write(&sizes, sizeof sizes);
  file.write(payload);
  file.commit();
}

std::string read_checkpoint(const std::string& path) {
  std::string text = core::read_file(path);
  if (!text.starts_with(kCheckpointMagic)) refuse(path, "it does not begin as one");
  Sizes sizes;
  if (text.size() < kHeaderBytes) refuse(path, fmt::format("it ends after {} bytes", text.size()));
  std::memcpy(&sizes, text.data() + kCheckpointMagic.size(), sizeof sizes);
  if (text.size() - kHeaderBytes != sizes.payload_bytes) {
    refuse(path,
           fmt::format("it has {} bytes of {}", text.size() - kHeaderBytes, sizes.payload_bytes));
  }
  text.erase(0, kHeaderBytes);
  if (XXH3_64bits(text.data(), text.size()) != sizes.sum) refuse(path, "its sum is wrong");
  return text;
}

void prune_checkpoints(const std::string& folder, int keep) {
  std::error_code ignored;  // whoever removed it first did what was to be done
  const std::vector<std::int64_t> steps = checkpoint_steps(folder);
  for (std::size_t i = static_cast<std::size_t>(keep); i < steps.size(); ++i)
    fs::remove(checkpoint_path(folder, steps[i]), ignored);
  std::vector<fs::path> unfinished;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kBefore) && name.ends_with(core::kUnfinishedSuffix))
      unfinished.push_back(entry.path());
  }
  for (const fs::path& path : unfinished) fs::remove(path, ignored);
}

}  // namespace mutirao::nn::internal
