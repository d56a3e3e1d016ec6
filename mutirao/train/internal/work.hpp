#pragma once

// What a fit is expected to take, before it has begun: to plan by, not to rely on.

#include <cstdint>

#include "mutirao/train/internal/fit_tasks.hpp"
#include "mutirao/train/internal/prepared_data.hpp"

namespace mutirao::train::internal {

/// How many rows a fold learns from; for the number behind the last fold, the final fit: all.
double rows_of_fit(const PreparedData& data, const TrainConfig& config, std::uint32_t fold);

/// In the unit of models::EstimatorInfo::work; grows with n_estimators where there are any.
double work_of_fit(const Candidate& candidate, const PreparedData& data, double rows);

/// Whether it is a forest, of which a part is worth something.
bool keeps_trees(const Candidate& candidate, data::Task task);

/// Bytes that only its process has: the columns as the model sees them, and what it learns.
std::uint64_t memory_of_fit(const Candidate& candidate, const PreparedData& data, double rows);

}  // namespace mutirao::train::internal
