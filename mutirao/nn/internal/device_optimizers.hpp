#pragma once

// The steps of the fused optimizers on a GPU: the formulas of parameter_kernels_loops.hpp in ATen's
// operations, with rate and step in tensors, so that a graph that was captured at one step is right
// at all others.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <torch/types.h>

#include "mutirao/nn/internal/parameter_kernels.hpp"

namespace mutirao::nn::internal {

/// Where an optimizer is: its rate, and for those that count, the number of the step.
struct DeviceTime {
  double rate = 0.0;
  std::optional<std::int64_t> step;
};

/// The same on the GPU, for parameters that take the same steps.
struct DeviceClock {
  std::size_t group = 0;  // of the optimizer
  std::vector<torch::Tensor> parameters;
  torch::Tensor rate, step;  // float64, of no dimension
  DeviceTime here;           // what those hold when all that is queued is done
};

class DeviceClocks {
 public:
  /// The clock of these parameters for the step that is taken now; `place` numbers the clocks of
  /// one step of the optimizer. While a step is captured it only counts one further, as each replay
  /// will: throws core::Unsupported when it would have to do more.
  const DeviceClock& tick(std::size_t place, std::size_t group,
                          const std::vector<torch::Tensor>& parameters, const DeviceTime& now);
  /// Before a step is captured or replayed: the clocks are where `last` says that the optimizer is,
  /// at its rate of now and at the last step that it has taken.
  void set(const std::function<DeviceTime(const DeviceClock&)>& last);
  /// After a replay: its step is counted.
  void count() noexcept;
  const std::vector<DeviceClock>& all() const noexcept { return clocks_; }

 private:
  std::vector<DeviceClock> clocks_;
};

/// `options.rate` is not read; `rate` is. `velocity` is undefined without momentum.
void sgd_on_device(const torch::Tensor& parameter, const torch::Tensor& gradient,
                   const torch::Tensor& velocity, const SgdStep& options,
                   const torch::Tensor& rate);

/// What one step of AdamW has for all its parameters, of their type and no dimension.
struct AdamWNumbers {
  torch::Tensor minus_size, correction2, kept;
};
/// `options.rate` and `options.step` are not read; `rate` and `step` are.
AdamWNumbers adamw_numbers(const AdamWStep& options, const torch::Tensor& rate,
                           const torch::Tensor& step, torch::ScalarType type);
/// `greatest` is undefined without amsgrad.
void adamw_on_device(const torch::Tensor& parameter, const torch::Tensor& gradient,
                     const torch::Tensor& mean, const torch::Tensor& square,
                     const torch::Tensor& greatest, const AdamWStep& options,
                     const AdamWNumbers& numbers);

}  // namespace mutirao::nn::internal
