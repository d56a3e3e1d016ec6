#pragma once

// The tail of a bucket (bucket.hpp) whose gradients are on a GPU: written there, by operations that
// a captured step replays, so nothing waits for the GPU.

#include <vector>

#include <torch/types.h>

namespace mutirao::nn::internal {

/// `tail`: [1 + parameters][ranks], flat, of a floating type. `gradients`: one for each parameter;
/// undefined where this pass brought none. With `look_at_values` those that hold an infinite value
/// or a NaN are kNonFinite, else all are kFinite.
void write_tail_on_device(const torch::Tensor& tail, int rank, bool active,
                          const std::vector<torch::Tensor>& gradients, bool look_at_values);

}  // namespace mutirao::nn::internal
