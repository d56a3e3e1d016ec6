#pragma once

// The files of a folder of checkpoints: whole or refused.
//
//   checkpoint-<step>.mutirao = kCheckpointMagic, payload bytes (u64), XXH3 of the payload (u64),
//                               payload; numbers little endian
// A file is written under another name and renamed when it is on disk.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mutirao::nn::internal {

inline constexpr std::string_view kCheckpointMagic = "mutirao checkpoint 1\n";

std::string checkpoint_path(const std::string& folder, std::int64_t step);
/// The steps of which the folder has a checkpoint, newest first; none when there is no folder.
std::vector<std::int64_t> checkpoint_steps(const std::string& folder);

/// Makes the folder if need be. Throws core::IoError.
void write_checkpoint(const std::string& folder, std::int64_t step, std::string_view payload);
/// The payload. Throws core::CorruptFile or core::IoError, which name the path.
std::string read_checkpoint(const std::string& path);
/// Removes all but the newest `keep`, and what writers that were killed have left.
void prune_checkpoints(const std::string& folder, int keep);

}  // namespace mutirao::nn::internal
