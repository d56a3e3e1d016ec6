#pragma once

// How the gradients of a bucket are averaged, when not by a plain all-reduce.
//
// Purpose: compression, other averages, statistics. A hook is called with one bucket after the
// other, in the same order on all ranks, while the backward pass runs; it starts its collectives
// and gives back what finishes them, which is called at the end of the pass. Requires: when that
// returns, `gradients` holds the same values on every rank. Thread safety: called by the thread
// that runs the backward pass. Failure: what a hook throws comes out of backward().
//
//   nn::CommunicationHook clamp = [](comm::Communicator& ranks, nn::GradientBucket& bucket) {
//     bucket.gradients.clamp_(-1, 1);
//     auto work = std::make_shared<comm::Work>(ranks.all_reduce(bucket.part, Reduction::kMean));
//     return [work] { work->wait(); };
//   };

#include <cstddef>
#include <functional>

#include <torch/types.h>

#include "mutirao/comm/communicator.hpp"

namespace mutirao::nn {

struct GradientBucket {
  std::size_t index = 0;
  std::size_t count = 0;    ///< of all buckets
  torch::Tensor gradients;  ///< flat; this rank's own when the hook is called
  comm::BufferPart part;    ///< the same memory
};

using CommunicationHook =
    std::function<std::function<void()>(comm::Communicator& ranks, GradientBucket& bucket)>;

/// Sends gradients as bfloat16: half the bytes, 8 bits of each number's fraction. Each rank rounds
/// its own, they are added in float32, and the mean is rounded once. Use one hook for one Reducer.
CommunicationHook bfloat16_hook();

}  // namespace mutirao::nn
