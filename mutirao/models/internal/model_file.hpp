#pragma once

// The bytes of a model file.
//
//   offset 0    prologue, 64 bytes, little-endian:
//               0  magic "MUTIRAO\n"        8  u32 format version     12  u32 header bytes
//               16 u64 file bytes           24 u64 XXH3 of the header
//               32 u64 XXH3 of bytes 0-31   40 zeros
//   offset 64   header: a FlatBuffer (model_file.fbs)
//   then        sections, in the header's order, each at the next multiple of 64
// Every gap is zeros, so every byte of a file is verified by a sum or by being zero.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mutirao/models/internal/sections.hpp"
#include "mutirao/models/model.hpp"
#include "mutirao/models/parameters.hpp"

namespace mutirao::models::internal {

inline constexpr std::uint32_t kModelFormat = 1;

struct ModelFile {
  ModelInfo info;
  std::string estimator;
  ParameterMap parameters;
};

/// Writes all of the file or leaves what was there. Throws core::IoError.
void write_model_file(const std::string& path, const ModelFile& file,
                      const SectionWriter& sections);

/// Writes into the bytes of a file, as far as they make one, their number and the sums that they
/// call for: what somebody does who wants a changed file to be read. For tests.
void sign_model_file(std::span<std::byte> bytes);

/// Maps and verifies the file. Throws core::IoError and core::CorruptFile.
SectionReader read_model_file(const std::string& path, ModelFile& file);

}  // namespace mutirao::models::internal
