#pragma once

// What a fold found for the rows that it tested, as a file of its own, so that no fold has to be
// done again.
//
// folds/<label>.<fold from 1>: a line of JSON, {"schema": 1, "rows": N, "columns": C, "xxh3": SUM},
// then N * C little-endian doubles, row by row: the prediction (of classes its index), and for
// classes the probability of each. SUM is the XXH3 (64 bits, hexadecimal) of these doubles.

#include <cstdint>
#include <optional>
#include <string>

#include "mutirao/train/internal/fit_tasks.hpp"
#include "mutirao/train/internal/prepared_data.hpp"

namespace mutirao::train::internal {

/// "folds/small.1" for fold 0, relative to the run folder.
std::string fold_file(const std::string& label, std::uint32_t fold);

/// Writes predictions and probabilities, atomically, and does not wait for the disk. Throws
/// core::IoError.
void write_fold(const std::string& path, const FitResult& result);

/// Predictions and probabilities; nothing when the file is not there, is damaged, or is not of this
/// many rows and classes.
std::optional<FitResult> read_fold(const std::string& path, const PreparedData& data,
                                   std::uint32_t fold);

}  // namespace mutirao::train::internal
