#include "mutirao/nn/fused_optimizers.hpp"

#include <cmath>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/serialize.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "mutirao/core/error.hpp"

namespace mutirao::nn {
namespace {

using torch::Tensor;
using torch::optim::AdamWOptions;
using torch::optim::SGDOptions;

/// Odd sizes, one with strides of its own, one of float64.
std::vector<Tensor> some_parameters() {
  torch::manual_seed(5);
  std::vector<Tensor> parameters{torch::randn({17, 3}), torch::randn({1}),
                                 torch::randn({64, 9}).t(), torch::randn({5}, torch::kFloat64)};
  for (Tensor& parameter : parameters) parameter.requires_grad_();
  return parameters;
}

std::vector<Tensor>& parameters_of(torch::optim::Optimizer& optimizer) {
  return optimizer.param_groups().front().params();
}

/// Steps both on the same gradients; some parameters have none at times.
void expect_equal(torch::optim::Optimizer& ours, torch::optim::Optimizer& torchs, int steps = 25) {
  for (int step = 0; step < steps; ++step) {
    for (std::size_t i = 0; i < parameters_of(ours).size(); ++i) {
      Tensor &mine = parameters_of(ours)[i], &theirs = parameters_of(torchs)[i];
      if (i == 1 && step % 3 == 0) {
        mine.mutable_grad() = theirs.mutable_grad() = Tensor();
        continue;
      }
      // Rows of another's transpose: strides that are not those of the parameter.
      const Tensor gradient = i == 0 ? torch::randn({3, 17}).t() : torch::randn_like(mine);
      mine.mutable_grad() = gradient.clone();
      theirs.mutable_grad() = gradient.clone();
    }
    ours.step();
    torchs.step();
    for (std::size_t i = 0; i < parameters_of(ours).size(); ++i) {
      const double away =
          (parameters_of(ours)[i] - parameters_of(torchs)[i]).abs().max().item<double>();
      ASSERT_LE(away, 1e-6) << "parameter " << i << " step " << step;
    }
  }
}

TEST(FusedSgd, IsTorchsSgd) {
  const std::vector<SGDOptions> all{
      SGDOptions(0.1),
      SGDOptions(0.1).weight_decay(0.01),
      SGDOptions(0.05).momentum(0.9),
      SGDOptions(0.05).momentum(0.9).dampening(0.5),
      SGDOptions(0.05).momentum(0.9).weight_decay(0.1),
      SGDOptions(0.05).momentum(0.9).nesterov(true).weight_decay(0.1)};
  for (const SGDOptions& options : all) {
    FusedSgd ours(some_parameters(), options);
    torch::optim::SGD torchs(some_parameters(), options);
    expect_equal(ours, torchs);
  }
}

TEST(FusedAdamW, IsTorchsAdamW) {
  const std::vector<AdamWOptions> all{AdamWOptions(0.01), AdamWOptions(0.01).weight_decay(0.0),
                                      AdamWOptions(0.02).betas({0.8, 0.95}).eps(1e-4),
                                      AdamWOptions(0.01).amsgrad(true)};
  for (const AdamWOptions& options : all) {
    FusedAdamW ours(some_parameters(), options);
    torch::optim::AdamW torchs(some_parameters(), options);
    expect_equal(ours, torchs);
  }
}

TEST(FusedSgd, GroupsHaveTheirOwnOptions) {
  const auto groups = [] {
    const auto parameters = some_parameters();
    std::vector<torch::optim::OptimizerParamGroup> found;
    found.emplace_back(std::vector<Tensor>{parameters[0]},
                       std::make_unique<SGDOptions>(SGDOptions(0.5).momentum(0.5)));
    found.emplace_back(std::vector<Tensor>{parameters[1]}, std::make_unique<SGDOptions>(0.01));
    return found;
  };
  FusedSgd ours(groups(), SGDOptions(0.1));
  torch::optim::SGD torchs(groups(), SGDOptions(0.1));
  for (auto* optimizer : std::vector<torch::optim::Optimizer*>{&ours, &torchs}) {
    for (auto& group : optimizer->param_groups())
      for (Tensor& parameter : group.params()) parameter.mutable_grad() = parameter.detach() * 0.1;
    optimizer->step();
    optimizer->step();
  }
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(torch::allclose(ours.param_groups()[i].params()[0],
                                torchs.param_groups()[i].params()[0], 0.0, 1e-6));
  }
}

TEST(FusedSgd, GoesOnFromTorchsOwnState) {
  const SGDOptions options = SGDOptions(0.05).momentum(0.9);
  torch::optim::SGD torchs(some_parameters(), options);
  for (Tensor& parameter : parameters_of(torchs)) parameter.mutable_grad() = parameter.detach() * 2;
  torchs.step();
  std::stringstream stream;
  torch::save(torchs, stream);

  std::vector<Tensor> copies;
  for (const Tensor& parameter : parameters_of(torchs))
    copies.push_back(parameter.detach().clone().requires_grad_());
  FusedSgd ours(copies, options);
  torch::load(ours, stream);
  expect_equal(ours, torchs, 3);
}

TEST(FusedSgd, ZeroGradLeavesNoGradientBehind) {
  FusedSgd optimizer(some_parameters(), SGDOptions(0.1));
  for (Tensor& parameter : parameters_of(optimizer)) parameter.mutable_grad() = parameter.detach();
  optimizer.zero_grad();
  for (const Tensor& parameter : parameters_of(optimizer)) EXPECT_FALSE(parameter.grad().defined());
}

TEST(FusedSgd, CallsTheClosureWithGradientsOn) {
  FusedSgd optimizer({torch::ones({2}, torch::requires_grad())}, SGDOptions(0.5));
  const Tensor loss = optimizer.step([&] {
    Tensor sum = (parameters_of(optimizer)[0] * 2).sum();
    sum.backward();
    return sum;
  });
  EXPECT_EQ(loss.item<float>(), 4.0F);
  EXPECT_EQ(parameters_of(optimizer)[0][0].item<float>(), 0.0F);
}

TEST(FusedSgd, RefusesWhatItCannotUpdateBeforeItChangesAnything) {
  const Tensor good = torch::ones({2}, torch::requires_grad());
  const Tensor half = torch::ones({2}, torch::TensorOptions(torch::kBFloat16).requires_grad(true));
  good.mutable_grad() = torch::ones({2});
  half.mutable_grad() = torch::ones({2}, torch::kBFloat16);
  FusedSgd optimizer({good, half}, SGDOptions(0.5));
  EXPECT_THROW(optimizer.step(), core::Unsupported);
  EXPECT_EQ(good[0].item<float>(), 1.0F);
}

TEST(ClipGradientNorm, IsTorchsToItsEpsilon) {
  for (const double limit : {0.1, 3.0, 1e6}) {
    const auto ours = some_parameters(), theirs = some_parameters();
    for (std::size_t i = 0; i < ours.size(); ++i) {
      ours[i].mutable_grad() = ours[i].detach().clone();
      theirs[i].mutable_grad() = ours[i].detach().clone();
    }
    const double norm = clip_gradient_norm(ours, limit);
    EXPECT_NEAR(norm, torch::nn::utils::clip_grad_norm_(theirs, limit), 1e-4);
    for (std::size_t i = 0; i < ours.size(); ++i)
      EXPECT_TRUE(torch::allclose(ours[i].grad(), theirs[i].grad(), 1e-5, 1e-7));
  }
}

TEST(ClipGradientNorm, RefusesANormThatIsNoNumber) {
  const Tensor parameter = torch::ones({2}, torch::requires_grad());
  parameter.mutable_grad() = torch::full({2}, std::nanf(""));
  EXPECT_THROW(clip_gradient_norm({parameter}, 1.0), core::InvalidInput);
}

}  // namespace
}  // namespace mutirao::nn
