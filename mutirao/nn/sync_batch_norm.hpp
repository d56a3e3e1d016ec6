#pragma once

// Batch normalisation over the batches of all ranks.
//
// Purpose: with few examples per rank, the statistics of one rank's batch are poor ones. In
// training mode mean and variance are those of all ranks' batches together; in evaluation mode it
// is torch's. Requires: input [batch, features, ...]; in training every rank calls it equally
// often. Guarantees: outputs and gradients are those of torch's BatchNorm on the joined batch, to
// rounding; names of parameters and buffers are the same, so checkpoints fit. Two collectives for a
// forward and backward pass; statistics travel in float64. Not to be used with join(): a rank
// without data does not call it. Thread safety: one object, one thread. Failure: comm::GroupFailed;
// core::InvalidArgument when all ranks together bring fewer than two values of a feature.
// Lifetime: the Communicator outlives it.
//
//   torch::nn::Sequential model(torch::nn::Linear(64, 32),
//                               nn::SyncBatchNorm(ranks, torch::nn::BatchNormOptions(32)),
//                               torch::nn::ReLU(), torch::nn::Linear(32, 10));

#include <torch/nn/module.h>
#include <torch/nn/options/batchnorm.h>
#include <torch/nn/pimpl.h>

#include "mutirao/comm/communicator.hpp"

namespace mutirao::nn {

class SyncBatchNormImpl : public torch::nn::Module {
 public:
  SyncBatchNormImpl(comm::Communicator& ranks, const torch::nn::BatchNormOptions& options);
  torch::Tensor forward(const torch::Tensor& input);

  const torch::nn::BatchNormOptions options;
  torch::Tensor weight, bias;                                    // [features], when affine
  torch::Tensor running_mean, running_var, num_batches_tracked;  // when they are tracked

 private:
  comm::Communicator& ranks_;
};
TORCH_MODULE(SyncBatchNorm);

}  // namespace mutirao::nn
