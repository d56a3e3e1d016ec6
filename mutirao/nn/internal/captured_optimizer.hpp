#pragma once

// An optimizer whose step is part of a CUDA graph: which ones can be, and what may change between
// replays.

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include <torch/optim/optimizer.h>
#include <torch/types.h>

namespace mutirao::nn::internal {

class CapturedOptimizer {
 public:
  /// Throws core::Unsupported unless it is torch::optim::SGD, FusedSgd or FusedAdamW.
  explicit CapturedOptimizer(torch::optim::Optimizer& optimizer);

  /// The one CUDA device that all parameters are on; throws core::Unsupported.
  torch::Device device() const;
  void clear_gradients();
  void step() { optimizer_.step(); }
  /// Calls `capture`, in which step() is recorded. Throws core::Unsupported when that made state,
  /// which each replay would make anew.
  void record(const std::function<void()>& capture);
  /// Throws core::Unsupported when an option is not what was recorded and cannot change.
  void prepare_replay();
  void count_replay();

 private:
  torch::optim::Optimizer& optimizer_;
  std::function<void()> prepare_, count_;  // of a fused one, whose rate may change
  std::vector<std::unique_ptr<torch::optim::OptimizerOptions>> recorded_;  // of each group
};

}  // namespace mutirao::nn::internal
