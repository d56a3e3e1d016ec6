// Training with parameters on GPUs, against the same on the host.

#include <cmath>
#include <filesystem>
#include <memory>

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/dropout.h>
#include <unistd.h>

#include "gpus.hpp"
#include "mutirao/nn/checkpoint.hpp"
#include "mutirao/nn/fused_optimizers.hpp"
#include "mutirao/nn/sync_batch_norm.hpp"

namespace mutirao::nn {
namespace {

using comm::Communicator;
using torch::Tensor;
using torch::optim::AdamWOptions;
using torch::optim::SGDOptions;

/// Ten steps of one process on the host; step k is on examples [16 k, 16 k + 16).
template <class Optimizer, class Options>
std::vector<float> trained_on_the_host(const Options& options) {
  torch::nn::Sequential model = some_model();
  Optimizer optimizer(model->parameters(), options);
  const Examples examples = some_examples(160);
  for (int step = 0; step < 10; ++step) {
    optimizer.zero_grad();
    loss_of(model, examples.part(step * 16, 16)).backward();
    optimizer.step();
  }
  return values_of(model->parameters());
}

/// The same in equal parts on all ranks.
template <class Optimizer, class Options>
std::vector<float> trained_on_gpus(Communicator& ranks, const Options& options,
                                   const ReducerOptions& reducing = {}) {
  torch::nn::Sequential network = some_model();
  network->to(device_of(ranks));
  DistributedDataParallel model(ranks, network, reducing);
  Optimizer optimizer(model->parameters(), options);
  const Examples examples = on(some_examples(160), device_of(ranks));
  const int mine = 16 / ranks.size();
  for (int step = 0; step < 10; ++step) {
    optimizer.zero_grad();
    loss_of(model, examples.part(step * 16 + ranks.rank() * mine, mine)).backward();
    optimizer.step();
  }
  return values_of(model->parameters());
}

void expect_trainings_are_equal(int count) {
  const SGDOptions sgd = SGDOptions(0.1).momentum(0.9).weight_decay(0.01);
  const AdamWOptions adamw(0.01);
  EXPECT_EQ(run_on_gpus(count,
                        [&](Communicator& ranks) {
                          const auto host = trained_on_the_host<torch::optim::SGD>(sgd);
                          for (const std::size_t bytes : {std::size_t{1}, std::size_t{1} << 20}) {
                            const auto there = trained_on_gpus<FusedSgd>(
                                ranks, sgd, {.bucket_bytes = bytes, .first_bucket_bytes = bytes});
                            require(largest_difference(there, host) < 1e-5, "SGD");
                            require_equal_on_all(ranks, there, "parameters");
                          }
                          require(largest_difference(trained_on_gpus<FusedAdamW>(ranks, adamw),
                                                     trained_on_the_host<FusedAdamW>(adamw)) < 1e-5,
                                  "AdamW");
                          trained_on_gpus<torch::optim::SGD>(ranks, sgd, {.hook = bfloat16_hook()});
                        }),
            "ok");
}

TEST(TrainingOnGpus, OneGpuLearnsWhatTheHostDoes) {
  MUTIRAO_NEEDS_GPUS(1);
  expect_trainings_are_equal(1);
}

TEST(TrainingOnGpus, TwoGpusLearnWhatTheHostDoes) {
  MUTIRAO_NEEDS_GPUS(2);
  expect_trainings_are_equal(2);
}

TEST(TrainingOnGpus, ModelAndCommunicatorMustBeInOnePlace) {
  MUTIRAO_NEEDS_GPUS(1);
  EXPECT_EQ(run_on_gpus(1,
                        [](Communicator& ranks) {
                          const auto complaint = complaint_of<core::Unsupported>(
                              [&] { DistributedDataParallel model(ranks, some_model()); });
                          require(complaint == "0.weight is on cpu and cannot be shared with ranks",
                                  complaint);
                        }),
            "ok");
  EXPECT_EQ(comm::run_ranks(1,
                            [](Communicator& ranks) {
                              torch::nn::Sequential network = some_model();
                              network->to(torch::Device(torch::kCUDA, 0));
                              const auto complaint = complaint_of<core::Unsupported>(
                                  [&] { DistributedDataParallel model(ranks, network); });
                              require(complaint.find("Communicator's buffers on the host") !=
                                          std::string::npos,
                                      complaint);
                            }),
            "ok");
}

TEST(TrainingOnGpus, GradientsThatAreMissingOrNotFiniteAreNamed) {
  MUTIRAO_NEEDS_GPUS(1);
  EXPECT_EQ(
      run_on_gpus(1,
                  [](Communicator& ranks) {
                    const auto there = torch::TensorOptions(device_of(ranks)).requires_grad(true);
                    const Tensor used = torch::ones({3}, there), other = torch::ones({2}, there);
                    Reducer reducer(ranks, {{"used", used}, {"other", other}});
                    const auto missing =
                        complaint_of<MissingGradient>([&] { used.sum().backward(); });
                    require(missing == "parameter other got no gradient on rank 0", missing);
                    const auto bad = complaint_of<NonFiniteGradient>(
                        [&] { ((used - 1).sqrt().sum() + other.sum()).backward(); });
                    require(bad == "the gradient of used is infinite or NaN on rank 0", bad);
                    (used.sum() + other.sum()).backward();  // the group goes on
                  }),
      "ok");
}

TEST(TrainingOnGpus, UnusedParametersCountAsZeroWhereThatIsAllowed) {
  MUTIRAO_NEEDS_GPUS(1);
  EXPECT_EQ(run_on_gpus(1,
                        [](Communicator& ranks) {
                          const auto there =
                              torch::TensorOptions(device_of(ranks)).requires_grad(true);
                          const Tensor used = torch::ones({3}, there);
                          const Tensor never = torch::ones({2}, there);
                          Reducer reducer(ranks, {{"used", used}, {"never", never}}, {},
                                          {.missing = OnMissingGradient::kZero});
                          (used * 2).sum().backward();
                          require(used.grad()[2].item<float>() == 2.0F, "the gradient");
                          require(!never.grad().defined(), "nobody used it");
                        }),
            "ok");
}

TEST(TrainingOnGpus, ClippingIsThatOfTheHost) {
  MUTIRAO_NEEDS_GPUS(1);
  EXPECT_EQ(run_on_gpus(1,
                        [](Communicator& ranks) {
                          const Tensor host = torch::ones({5}, torch::requires_grad());
                          const Tensor there = host.detach().to(device_of(ranks)).requires_grad_();
                          host.mutable_grad() = torch::full({5}, 3.0);
                          there.mutable_grad() = torch::full({5}, 3.0, device_of(ranks));
                          const double norm = clip_gradient_norm({host}, 1.0);
                          require(std::abs(clip_gradient_norm({there}, 1.0) - norm) < 1e-9, "norm");
                          require(torch::allclose(there.grad().cpu(), host.grad()), "gradients");
                        }),
            "ok");
}

TEST(TrainingOnGpus, SyncBatchNormIsTorchs) {
  MUTIRAO_NEEDS_GPUS(1);
  EXPECT_EQ(run_on_gpus(1,
                        [](Communicator& ranks) {
                          SyncBatchNorm ours(ranks, torch::nn::BatchNormOptions(4));
                          torch::nn::BatchNorm1d torchs(4);
                          ours->to(device_of(ranks));
                          torchs->to(device_of(ranks));
                          const Tensor input = torch::randn({8, 4}, device_of(ranks));
                          const Tensor a = input.clone().requires_grad_();
                          const Tensor b = input.clone().requires_grad_();
                          ours(a).square().sum().backward();
                          torchs(b).square().sum().backward();
                          require(torch::allclose(a.grad(), b.grad(), 1e-4, 1e-5), "gradients");
                          require(torch::allclose(ours->running_var, torchs->running_var),
                                  "running variance");
                        }),
            "ok");
}

/// A model whose steps depend on the GPU's random numbers and on running statistics.
torch::nn::Sequential random_model(const torch::Device& device) {
  torch::manual_seed(3);
  torch::nn::Sequential model(torch::nn::Linear(20, 16), torch::nn::BatchNorm1d(16),
                              torch::nn::Dropout(0.5), torch::nn::Linear(16, 4));
  model->to(device);
  return model;
}

TEST(TrainingOnGpus, ACheckpointGoesOnWithTheSameBytes) {
  MUTIRAO_NEEDS_GPUS(1);
  const auto folder =
      std::filesystem::temp_directory_path() / ("mutirao_gpu_" + std::to_string(::getpid()));
  EXPECT_EQ(run_on_gpus(1,
                        [&](Communicator& ranks) {
                          const Examples examples = on(some_examples(64), device_of(ranks));
                          const auto train = [&](bool resumes) {
                            DistributedDataParallel model(ranks, random_model(device_of(ranks)));
                            FusedAdamW optimizer(model->parameters(), AdamWOptions(0.01));
                            Checkpoints checkpoints(
                                ranks, {.module = &*model.module(), .optimizer = &optimizer},
                                {.folder = folder.string()});
                            int step = 0;
                            if (resumes) step = static_cast<int>(checkpoints.resume()->step);
                            for (; step < 6; ++step) {
                              if (!resumes && step == 3) checkpoints.save(step);
                              optimizer.zero_grad();
                              loss_of(model, examples.part(step * 8, 8)).backward();
                              optimizer.step();
                            }
                            return values_of(model->parameters());
                          };
                          const auto undisturbed = train(false);
                          require(same_bytes(train(true), undisturbed), "the same bytes");
                        }),
            "ok");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace mutirao::nn
