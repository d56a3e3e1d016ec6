#pragma once

// Which device a rank trains on.
//
// Purpose: a program that runs on GPUs where there are enough, and on the CPU elsewhere. Requires:
// all ranks see GPUs alike. Guarantees: a GPU is never given to two ranks of a machine.
// Thread safety: own_gpu() reads the environment, which nobody may change meanwhile. Failure: see
// comm::find_world; core::Unsupported when Buffers are on a GPU and LibTorch has no CUDA.
//
//   comm::Communicator ranks({.device = nn::own_gpu()});
//   model->to(nn::device_of(ranks));
//   nn::DistributedDataParallel ddp(ranks, model);

#include <optional>

#include <torch/types.h>

#include "mutirao/comm/communicator.hpp"

namespace mutirao::nn {

/// The number of this rank's GPU: its place on its machine, when LibTorch sees at least one GPU for
/// each rank there; nothing otherwise. Who gives every rank one visible GPU sets
/// CommunicatorOptions::device to 0 instead.
std::optional<int> own_gpu();
/// The same of any rank, where `visible` GPUs are seen.
std::optional<int> own_gpu(const comm::World& world, int visible) noexcept;

/// Where the Communicator's Buffers are, so where the model belongs.
torch::Device device_of(const comm::Communicator& ranks);

}  // namespace mutirao::nn
