// The optimizers' steps on a GPU, by the same operations on the host.

#include "mutirao/nn/internal/device_optimizers.hpp"

#include <vector>

#include <gtest/gtest.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>
#include <torch/utils.h>

namespace mutirao::nn::internal {
namespace {

using torch::Tensor;
using torch::optim::AdamWOptions;
using torch::optim::SGDOptions;

constexpr int kSteps = 20;

Tensor some_parameter(torch::ScalarType type) {
  torch::manual_seed(5);
  return torch::randn({17, 3}, type);
}

double rate_at(int step) { return 0.05 / (1 + step); }

/// What `ours` does with one parameter, against torch's optimizer, with a rate that changes.
template <class Optimizer, class Options, class Ours>
void expect_torchs(const Options& options, torch::ScalarType type, Ours ours) {
  const Tensor mine = some_parameter(type);
  const Tensor theirs = some_parameter(type).requires_grad_();
  Optimizer optimizer({theirs}, options);
  for (int step = 0; step < kSteps; ++step) {
    const Tensor gradient = torch::randn_like(mine);
    theirs.mutable_grad() = gradient.clone();
    optimizer.param_groups()[0].options().set_lr(rate_at(step));
    optimizer.step();
    const torch::NoGradGuard no_grad;
    ours(mine, gradient, step);
    ASSERT_LE((mine - theirs.detach()).abs().max().template item<double>(), 1e-6) << step;
  }
}

SgdStep step_of(const SGDOptions& options) {
  return {.momentum = options.momentum(),
          .dampening = options.dampening(),
          .weight_decay = options.weight_decay(),
          .nesterov = options.nesterov()};
}

AdamWStep step_of(const AdamWOptions& options) {
  return {.beta1 = std::get<0>(options.betas()),
          .beta2 = std::get<1>(options.betas()),
          .epsilon = options.eps(),
          .weight_decay = options.weight_decay()};
}

TEST(DeviceOptimizers, SgdIsTorchs) {
  const std::vector<SGDOptions> all{SGDOptions(0.1), SGDOptions(0.1).weight_decay(0.01),
                                    SGDOptions(0.1).momentum(0.9).dampening(0.5),
                                    SGDOptions(0.1).momentum(0.9).nesterov(true).weight_decay(0.1)};
  for (const SGDOptions& options : all) {
    for (const auto type : {torch::kFloat32, torch::kFloat64}) {
      DeviceClocks clocks;
      const Tensor velocity = options.momentum() == 0.0 ? Tensor() : torch::zeros({17, 3}, type);
      expect_torchs<torch::optim::SGD>(
          options, type, [&](const Tensor& parameter, const Tensor& gradient, int step) {
            SgdStep one = step_of(options);
            one.first = step == 0;
            const auto& clock = clocks.tick(0, 0, {parameter}, {.rate = rate_at(step), .step = {}});
            sgd_on_device(parameter, gradient, velocity, one, clock.rate);
          });
    }
  }
}

/// AdamW's numbers for one parameter, and one step of it.
struct OneAdamW {
  OneAdamW(const AdamWOptions& given, torch::ScalarType type)
      : options(step_of(given)),
        mean(torch::zeros({17, 3}, type)),
        square(torch::zeros({17, 3}, type)),
        greatest(given.amsgrad() ? torch::zeros({17, 3}, type) : Tensor()) {}
  void step(const Tensor& parameter, const Tensor& gradient, const DeviceClock& clock) const {
    adamw_on_device(parameter, gradient, mean, square, greatest, options,
                    adamw_numbers(options, clock.rate, clock.step, parameter.scalar_type()));
  }
  AdamWStep options;
  Tensor mean, square, greatest;
};

TEST(DeviceOptimizers, AdamWIsTorchs) {
  const std::vector<AdamWOptions> all{AdamWOptions(0.01), AdamWOptions(0.01).weight_decay(0.0),
                                      AdamWOptions(0.02).betas({0.8, 0.95}).eps(1e-4),
                                      AdamWOptions(0.01).amsgrad(true)};
  for (const AdamWOptions& options : all) {
    for (const auto type : {torch::kFloat32, torch::kFloat64}) {
      DeviceClocks clocks;
      const OneAdamW one(options, type);
      expect_torchs<torch::optim::AdamW>(
          options, type, [&](const Tensor& parameter, const Tensor& gradient, int step) {
            one.step(parameter, gradient,
                     clocks.tick(0, 0, {parameter}, {.rate = rate_at(step), .step = step + 1}));
          });
    }
  }
}

// A replay does again what was recorded: the clock's step is counted by the recorded add_, and the
// rate is what its tensor holds. That is played here with the same tensors.
TEST(DeviceOptimizers, AStepThatIsReplayedReadsRateAndStepOfNow) {
  const AdamWOptions options(0.01);
  DeviceClocks clocks;
  const OneAdamW one(options, torch::kFloat32);
  const DeviceClock* clock = nullptr;
  expect_torchs<torch::optim::AdamW>(
      options, torch::kFloat32, [&](const Tensor& parameter, const Tensor& gradient, int step) {
        if (step < 3) {
          clock = &clocks.tick(0, 0, {parameter}, {.rate = rate_at(step), .step = step + 1});
        } else {
          clocks.set([&](const DeviceClock&) -> DeviceTime {
            return {.rate = rate_at(step), .step = step};
          });
          clock->step.add_(1.0);
          clocks.count();
          EXPECT_EQ(clock->here.step, step + 1);
        }
        one.step(parameter, gradient, *clock);
      });
}

TEST(DeviceClocks, FollowAStateThatWasLoaded) {
  const Tensor parameter = torch::ones({2});
  DeviceClocks clocks;
  const DeviceClock& clock = clocks.tick(0, 0, {parameter}, {.rate = 0.5, .step = 1});
  EXPECT_EQ(clock.step.item<double>(), 1.0);
  clocks.tick(0, 0, {parameter}, {.rate = 0.25, .step = 2});
  EXPECT_EQ(clock.step.item<double>(), 2.0);
  EXPECT_EQ(clock.rate.item<double>(), 0.25);
  clocks.tick(0, 0, {parameter}, {.rate = 0.25, .step = 41});
  EXPECT_EQ(clock.step.item<double>(), 41.0);
  // Before a replay, which adds one itself.
  clocks.set([](const DeviceClock&) -> DeviceTime { return {.rate = 1.0, .step = 7}; });
  EXPECT_EQ(clock.step.item<double>(), 7.0);
  EXPECT_EQ(clock.rate.item<double>(), 1.0);
}

}  // namespace
}  // namespace mutirao::nn::internal
