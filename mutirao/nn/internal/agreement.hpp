#pragma once

// What all ranks must have alike before they train together.

#include <string>
#include <vector>

#include <torch/types.h>

#include "mutirao/comm/communicator.hpp"

namespace mutirao::nn::internal {

/// One line for a tensor: "weight: float32 [100, 1000], strides [1000, 1]".
std::string line_of(const std::string& name, const torch::Tensor& tensor);

/// Throws ModelMismatch on every rank unless all have the same lines; it names the first difference
/// from rank 0. Collective.
void check_agreement(comm::Communicator& ranks, const std::vector<std::string>& lines);

/// Gives every rank the values of rank `root`. The tensors are dense and alike on all ranks.
/// Collective.
void broadcast(comm::Communicator& ranks, const std::vector<torch::Tensor>& tensors, int root);

}  // namespace mutirao::nn::internal
