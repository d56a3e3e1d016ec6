// What is refused, which needs no GPU; the steps themselves are in tests/nn_gpu.

#include "mutirao/nn/captured_step.hpp"

#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/loss.h>
#include <torch/optim/adam.h>

#include "../comm/ranks.hpp"
#include "mutirao/nn/fused_optimizers.hpp"
#include "mutirao/nn/internal/captured_optimizer.hpp"
#include "training.hpp"

namespace mutirao::nn {
namespace {

using internal::CapturedOptimizer;
using testing::HasSubstr;
using torch::Tensor;
using torch::optim::AdamWOptions;
using torch::optim::SGDOptions;

std::vector<Tensor> one_parameter() { return {torch::ones({2}, torch::requires_grad())}; }

/// Not one that is known, whatever is below it.
class OwnSgd : public FusedSgd {
 public:
  using FusedSgd::FusedSgd;
};

TEST(CapturedStep, RefusesAModelOnTheCpu) {
  torch::nn::Sequential model = some_model();
  FusedSgd optimizer(model->parameters(), SGDOptions(0.1));
  const auto loss = [&](const Tensor& input, const Tensor& target) {
    return torch::nn::functional::cross_entropy(model->forward(input), target);
  };
  EXPECT_EQ(complaint_of<core::Unsupported>([&] { CapturedStep step(loss, optimizer); }),
            "a parameter is on cpu: only a step on a GPU can be captured");
}

TEST(CapturedStep, RefusesADistributedModelOnTheCpuOnEveryRank) {
  EXPECT_EQ(comm::run_ranks(2,
                            [](comm::Communicator& ranks) {
                              DistributedDataParallel model(ranks, some_model());
                              torch::optim::SGD optimizer(model->parameters(), SGDOptions(0.1));
                              const auto complaint = complaint_of<core::Unsupported>([&] {
                                CapturedStep step(model, torch::nn::CrossEntropyLoss(), optimizer);
                              });
                              require(complaint.find("is on cpu") != std::string::npos, complaint);
                              // It is still a model for the CPU.
                              loss_of(model, some_examples(4)).backward();
                            }),
            "ok");
}

TEST(CapturedStep, RefusesOptimizersWhoseStepDependsOnTheStep) {
  const auto refused = [](torch::optim::Optimizer& optimizer) {
    return complaint_of<core::Unsupported>([&] {
      CapturedStep step([](const Tensor& input, const Tensor&) { return input.sum(); }, optimizer);
    });
  };
  torch::optim::Adam adam(one_parameter(), torch::optim::AdamOptions(0.1));
  EXPECT_THAT(refused(adam), HasSubstr("this optimizer cannot be captured"));
  torch::optim::AdamW adamw(one_parameter(), AdamWOptions(0.1));
  EXPECT_THAT(refused(adamw), HasSubstr("this optimizer cannot be captured"));
  OwnSgd own(one_parameter(), SGDOptions(0.1));
  EXPECT_THAT(refused(own), HasSubstr("this optimizer cannot be captured"));
}

/// A step was recorded; what is then changed, what is said of it.
template <class Optimizer, class Change>
std::string said_of(Optimizer& optimizer, Change change) {
  CapturedOptimizer captured(optimizer);
  captured.record([&] { captured.step(); });
  captured.prepare_replay();
  change();
  return complaint_of<core::Unsupported>([&] { captured.prepare_replay(); });
}

TEST(CapturedOptimizer, TorchsSgdKeepsItsRate) {
  torch::optim::SGD optimizer(one_parameter(), SGDOptions(0.5));
  EXPECT_EQ(said_of(optimizer, [&] { optimizer.param_groups()[0].options().set_lr(0.25); }),
            "the learning rate is 0.25, the captured step of torch::optim::SGD has 0.5");
}

TEST(CapturedOptimizer, TheFusedOnesMayChangeTheirRateAndNothingElse) {
  FusedSgd sgd(one_parameter(), SGDOptions(0.5));
  EXPECT_EQ(said_of(sgd, [&] { sgd.param_groups()[0].options().set_lr(0.25); }), "nothing");
  EXPECT_EQ(
      said_of(sgd,
              [&] { static_cast<SGDOptions&>(sgd.param_groups()[0].options()).momentum(0.5); }),
      "an option of the optimizer has changed since its step was captured");
  FusedAdamW adamw(one_parameter(), AdamWOptions(0.5));
  EXPECT_EQ(said_of(adamw, [&] { adamw.param_groups()[0].options().set_lr(0.25); }), "nothing");
  EXPECT_EQ(
      said_of(adamw,
              [&] { static_cast<AdamWOptions&>(adamw.param_groups()[0].options()).eps(0.5); }),
      "an option of the optimizer has changed since its step was captured");
  EXPECT_EQ(said_of(adamw, [&] { adamw.add_param_group({one_parameter()}); }),
            "the optimizer has got parameters since its step was captured");
}

TEST(CapturedOptimizer, RefusesAStepThatMakesState) {
  torch::optim::SGD optimizer(one_parameter(), SGDOptions(0.5).momentum(0.9));
  optimizer.param_groups()[0].params()[0].mutable_grad() = torch::ones({2});
  CapturedOptimizer captured(optimizer);
  EXPECT_EQ(complaint_of<core::Unsupported>([&] { captured.record([&] { captured.step(); }); }),
            "a parameter has its first gradient while the step is captured");
  // The momentum is there now.
  EXPECT_NO_THROW(captured.record([&] { captured.step(); }));
}

}  // namespace
}  // namespace mutirao::nn
