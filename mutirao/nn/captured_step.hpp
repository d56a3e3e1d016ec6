#pragma once

// A whole training step as one CUDA graph.
//
// Purpose: a small model's step on a GPU is many short kernels, and starting each costs the host
// more than it takes. Forward, loss, backward, all-reduce and optimizer step are recorded once and
// then started by one call. Requires: parameters on one CUDA device; torch::optim::SGD whose
// options stay, or FusedSgd or FusedAdamW, whose learning rate may change; a loss that always does
// the same operations on tensors of the same shapes and looks at no values (no item(), no cpu(), no
// if on them); with a Reducer, the same calls on every rank. All else is refused.
// Guarantees: every call is one step of training on its batch, as the loop without it would do:
// the first warm_up calls step by step, the next one records, all others replay.
// Shapes: those of the first call; a last, smaller batch is not for it.
// Ordering: a call waits for what was queued on the current stream before it, and what is queued
// there behind it waits for the step; the host does not wait. Thread safety: one object, one
// thread. Failure: core::Unsupported at construction; core::InvalidArgument for another shape, and
// nothing has happened; core::Unsupported when the step cannot be recorded: the object is of no
// more use. What replays compute is looked at by wait(). Lifetime: Communicator, Reducer, optimizer
// and model outlive it.
//
//   nn::FusedSgd optimizer(model->parameters(), torch::optim::SGDOptions(0.01));
//   nn::CapturedStep step(model, torch::nn::CrossEntropyLoss(), optimizer);
//   for (...) loss = step(inputs, classes);
//   step.wait();

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include <torch/optim/optimizer.h>
#include <torch/types.h>

#include "mutirao/nn/distributed_data_parallel.hpp"
#include "mutirao/nn/reducer.hpp"

namespace mutirao::nn {

struct CapturedStepOptions {
  /// Steps before the one that is recorded, at least 1: they make what is made once (the
  /// optimizer's state, NCCL's connections, cuBLAS's memory).
  int warm_up = 3;
};

class CapturedStep {
 public:
  /// A loss of no dimension.
  using Loss =
      std::function<torch::Tensor(const torch::Tensor& input, const torch::Tensor& target)>;

  /// Without other ranks.
  CapturedStep(Loss loss, torch::optim::Optimizer& optimizer,
               const CapturedStepOptions& options = {});
  CapturedStep(Reducer& reducer, Loss loss, torch::optim::Optimizer& optimizer,
               const CapturedStepOptions& options = {});
  /// The loss is criterion(model(input), target).
  template <class M, class Criterion>
  CapturedStep(DistributedDataParallel<M>& model, Criterion criterion,
               torch::optim::Optimizer& optimizer, const CapturedStepOptions& options = {})
      : CapturedStep(
            model.reducer(),
            [&model, criterion = std::move(criterion)](const torch::Tensor& input,
                                                       const torch::Tensor& target) mutable {
              return criterion(model(input), target);
            },
            optimizer, options) {}
  ~CapturedStep();
  CapturedStep(const CapturedStep&) = delete;
  CapturedStep& operator=(const CapturedStep&) = delete;

  /// One step; gives the batch's loss, on the device, which the next call overwrites. Batches may
  /// be on the host or the device.
  torch::Tensor operator()(const torch::Tensor& input, const torch::Tensor& target);
  /// Waits until the last step is done and throws what backward() would have thrown in it:
  /// comm::GroupFailed, NonFiniteGradient. Parameters have taken that step by then.
  void wait();

  /// Steps that were replayed.
  std::size_t replays() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mutirao::nn
