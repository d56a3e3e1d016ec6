#pragma once

// SGD and AdamW that go over each parameter once.
//
// Purpose: torch's optimizers on CPU call several operators per parameter and step; these have one
// loop. On a GPU they are ATen's operations with step and rate in the GPU's memory, so that a
// CapturedStep goes on counting, and follows a schedule. They are torch's classes with another
// step(): the same options, parameter groups, state, save and load, so either reads the other's
// checkpoint. Requires: parameters on the CPU or a GPU, float32 or float64, dense. Guarantees:
// equal to torch's to rounding (1e-6 in the tests); on the CPU the same bytes on every instruction
// set. A parameter without a gradient is left as it is. Thread safety: one object, one thread.
// Failure: core::Unsupported, before anything is changed.
//
//   nn::FusedSgd optimizer(model->parameters(), torch::optim::SGDOptions(0.01).momentum(0.9));
//   optimizer.zero_grad();
//   torch::cross_entropy_loss(model->forward(x), y).backward();
//   optimizer.step();

#include <memory>
#include <vector>

#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

namespace mutirao::nn {

namespace internal {
class DeviceClocks;
}

class FusedSgd : public torch::optim::SGD {
 public:
  using torch::optim::SGD::SGD;
  torch::Tensor step(LossClosure closure = nullptr) override;
  /// Gradients become undefined, so that the next backward pass neither zeroes nor adds.
  void zero_grad();
  /// What CapturedStep calls: before a step is captured or replayed, the rate and step of now are
  /// brought to the GPU; after a replay it is counted.
  void prepare_graph();
  void count_replay();

 private:
  std::shared_ptr<internal::DeviceClocks> clocks_;  // made by the first step on a GPU
};

class FusedAdamW : public torch::optim::AdamW {
 public:
  using torch::optim::AdamW::AdamW;
  torch::Tensor step(LossClosure closure = nullptr) override;
  void zero_grad();
  void prepare_graph();
  void count_replay();

 private:
  std::shared_ptr<internal::DeviceClocks> clocks_;
};

/// Scales the gradients so that the norm of all of them together is at most max_norm; gives what
/// it was. After a synchronised backward pass every rank finds the same number and does the same.
/// Requires what FusedSgd requires. Failure: core::InvalidInput when the norm is not finite.
double clip_gradient_norm(const std::vector<torch::Tensor>& parameters, double max_norm);

}  // namespace mutirao::nn
