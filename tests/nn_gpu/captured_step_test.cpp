// A captured step against the same steps one by one.

#include "mutirao/nn/captured_step.hpp"

#include <gmock/gmock.h>
#include <torch/nn/modules/loss.h>

#include "gpus.hpp"
#include "mutirao/nn/fused_optimizers.hpp"
#include "mutirao/nn/learning_rate.hpp"

namespace mutirao::nn {
namespace {

using comm::Communicator;
using torch::Tensor;
using torch::optim::AdamWOptions;
using torch::optim::SGDOptions;

constexpr int kSteps = 20;

struct Trained {
  std::vector<float> parameters, losses;
};

/// `make` gives the optimizer, `after` is called after each step; eager or captured.
template <class Make, class After>
Trained trained(Communicator& ranks, bool captured, Make make, After after) {
  torch::nn::Sequential network = some_model();
  network->to(device_of(ranks));
  DistributedDataParallel model(ranks, network);
  auto optimizer = make(model->parameters());
  const auto next = after(optimizer);
  const Examples examples = on(some_examples(kSteps * 8), device_of(ranks));
  std::unique_ptr<CapturedStep> step;
  if (captured)
    step = std::make_unique<CapturedStep>(model, torch::nn::CrossEntropyLoss(), optimizer);
  Trained found;
  for (int i = 0; i < kSteps; ++i) {
    const Examples batch = examples.part(i * 8, 8);
    if (captured) {
      found.losses.push_back((*step)(batch.inputs, batch.classes).template item<float>());
    } else {
      optimizer.zero_grad();
      const Tensor loss = loss_of(model, batch);
      loss.backward();
      optimizer.step();
      found.losses.push_back(loss.template item<float>());
    }
    next();
  }
  if (captured) {
    step->wait();
    require(step->replays() == kSteps - 4, "the rest was replayed");
    require(model.reducer().passes() == kSteps, "every step is a pass");
  }
  found.parameters = values_of(model->parameters());
  return found;
}

template <class Make, class After>
void expect_the_same(int count, Make make, After after) {
  EXPECT_EQ(run_on_gpus(count,
                        [&](Communicator& ranks) {
                          const Trained eager = trained(ranks, false, make, after);
                          const Trained graph = trained(ranks, true, make, after);
                          require(largest_difference(graph.losses, eager.losses) < 1e-5, "losses");
                          require(largest_difference(graph.parameters, eager.parameters) < 1e-5,
                                  "parameters");
                        }),
            "ok");
}

const auto kNothing = [](auto&) { return [] {}; };
const auto kSchedule = [](auto& optimizer) {
  const auto rate = std::make_shared<LearningRate>(
      optimizer, WarmupCosine{.warmup_steps = 5, .total_steps = kSteps});
  return [rate] { rate->step(); };
};

TEST(CapturedStep, IsTorchsSgd) {
  MUTIRAO_NEEDS_GPUS(1);
  expect_the_same(
      1,
      [](const auto& parameters) {
        return torch::optim::SGD(parameters, SGDOptions(0.1).momentum(0.9));
      },
      kNothing);
}

TEST(CapturedStep, IsTheFusedOptimizersWithASchedule) {
  MUTIRAO_NEEDS_GPUS(1);
  expect_the_same(
      1, [](const auto& parameters) { return FusedSgd(parameters, SGDOptions(0.1).momentum(0.9)); },
      kSchedule);
  expect_the_same(
      1, [](const auto& parameters) { return FusedAdamW(parameters, AdamWOptions(0.01)); },
      kSchedule);
}

TEST(CapturedStep, AveragesOverTwoGpus) {
  MUTIRAO_NEEDS_GPUS(2);
  expect_the_same(
      2, [](const auto& parameters) { return FusedAdamW(parameters, AdamWOptions(0.01)); },
      kSchedule);
}

/// A step of a model without other ranks.
struct Alone {
  explicit Alone(std::function<Tensor(const Tensor&)> seen = nullptr)
      : loss([this, seen](const Tensor& input, const Tensor& target) {
          Tensor found = torch::nn::functional::cross_entropy(model->forward(input), target);
          return seen ? seen(found) : found;
        }) {
    model->to(torch::Device(torch::kCUDA, 0));
  }
  torch::nn::Sequential model = some_model();
  FusedSgd optimizer{model->parameters(), SGDOptions(0.1)};
  CapturedStep::Loss loss;
};

/// In a process of its own; "ok" or what it threw.
std::string in_a_process(const std::function<void()>& body) {
  comm::Ranks one(1, [&](int) {
    body();
    return std::string("ok");
  });
  return one.join()[0].said;
}

TEST(CapturedStep, RefusesAnotherShapeAndGoesOn) {
  MUTIRAO_NEEDS_GPUS(1);
  EXPECT_EQ(in_a_process([] {
              Alone alone;
              CapturedStep step(alone.loss, alone.optimizer);
              const Examples examples = some_examples(16);  // on the host
              for (int i = 0; i < 6; ++i) step(examples.inputs, examples.classes);
              const Examples less = examples.part(0, 8);
              const auto complaint =
                  complaint_of<core::InvalidArgument>([&] { step(less.inputs, less.classes); });
              require(complaint ==
                          "the input is Float [8, 20], that of the first step was Float [16, 20]",
                      complaint);
              step(examples.inputs, examples.classes);
              step.wait();
              require(step.replays() == 3, "three were replayed");
            }),
            "ok");
}

TEST(CapturedStep, RefusesALossThatLooksAtValues) {
  MUTIRAO_NEEDS_GPUS(1);
  EXPECT_EQ(
      in_a_process([] {
        Alone alone([](const Tensor& loss) { return loss.item<float>() > 1 ? loss : loss * 2; });
        CapturedStep step(alone.loss, alone.optimizer);
        const Examples examples = some_examples(16);
        for (int i = 0; i < 3; ++i) step(examples.inputs, examples.classes);
        const auto complaint =
            complaint_of<core::Unsupported>([&] { step(examples.inputs, examples.classes); });
        require(complaint.find("cannot be captured: ") != std::string::npos, complaint);
        require(complaint_of<core::Unsupported>([&] { step(examples.inputs, examples.classes); }) ==
                    "this step could not be captured",
                "it stays so");
      }),
      "ok");
}

TEST(CapturedStep, AReplayThatIsNotFiniteIsSaidByWait) {
  MUTIRAO_NEEDS_GPUS(1);
  EXPECT_EQ(
      run_on_gpus(1,
                  [](Communicator& ranks) {
                    torch::nn::Sequential network = some_model();
                    network->to(device_of(ranks));
                    DistributedDataParallel model(ranks, network);
                    FusedSgd optimizer(model->parameters(), SGDOptions(0.1));
                    CapturedStep step(model, torch::nn::CrossEntropyLoss(), optimizer);
                    const Examples examples = some_examples(16);
                    for (int i = 0; i < 6; ++i) step(examples.inputs, examples.classes);
                    step.wait();
                    step(examples.inputs * INFINITY, examples.classes);
                    const auto complaint = complaint_of<NonFiniteGradient>([&] { step.wait(); });
                    require(complaint.find("is infinite or NaN on rank 0") != std::string::npos,
                            complaint);
                  }),
      "ok");
}

}  // namespace
}  // namespace mutirao::nn
