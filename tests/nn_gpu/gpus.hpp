#pragma once

// Ranks with a GPU each. The test's own process never calls CUDA: what is forked from one that has
// cannot.

#include <functional>
#include <string>

#include <gtest/gtest.h>
#include <torch/cuda.h>

#include "../comm/ranks.hpp"
#include "../nn/training.hpp"
#include "mutirao/nn/gpu.hpp"

namespace mutirao::nn {

inline int gpus_here() {
  comm::Ranks one(1, [](int) { return std::to_string(torch::cuda::device_count()); });
  return std::stoi(one.join()[0].said);
}

/// The first thing said that is not "ok"; see comm::run_ranks.
inline std::string run_on_gpus(int count, const std::function<void(comm::Communicator&)>& body) {
  comm::CommunicatorOptions options;
  options.backend = comm::Backend::kNccl;
  return comm::run_ranks(count, body, options);
}

inline Examples on(const Examples& examples, const torch::Device& device) {
  return {examples.inputs.to(device), examples.classes.to(device)};
}

}  // namespace mutirao::nn

#define MUTIRAO_NEEDS_GPUS(count)                   \
  if (const int here = gpus_here(); here < (count)) \
  GTEST_SKIP() << "needs " << (count) << " GPU(s) that CUDA can use, there are " << here
