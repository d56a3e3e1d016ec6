#include "mutirao/nn/sync_batch_norm.hpp"

#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>

#include "../comm/ranks.hpp"
#include "mutirao/core/error.hpp"
#include "training.hpp"

namespace mutirao::nn {
namespace {

using comm::Communicator;
using comm::run_ranks;
using torch::Tensor;
using torch::nn::BatchNormOptions;

double away(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

/// Forward, backward and running statistics against torch's on the joined batch.
void compare(Communicator& ranks, const BatchNormOptions& options,
             const std::vector<std::int64_t>& rest, const std::vector<std::int64_t>& batches) {
  torch::manual_seed(11);
  torch::nn::BatchNorm2d torchs(options);
  SyncBatchNorm ours(ranks, options);
  const std::int64_t features = options.num_features();
  if (options.affine()) {
    const torch::NoGradGuard no_grad;
    torchs->weight.copy_(torch::randn({features}));
    torchs->bias.copy_(torch::randn({features}));
    ours->weight.copy_(torchs->weight);
    ours->bias.copy_(torchs->bias);
  }
  std::int64_t first = 0, total = 0;
  for (int rank = 0; rank < ranks.size(); ++rank) {
    if (rank < ranks.rank()) first += batches[std::size_t(rank)];
    total += batches[std::size_t(rank)];
  }
  const std::int64_t mine = batches[std::size_t(ranks.rank())];
  std::vector<std::int64_t> shape{total, features};
  shape.insert(shape.end(), rest.begin(), rest.end());
  for (int step = 0; step < 3; ++step) {
    const Tensor all = (torch::randn(shape) * 3 + 100).requires_grad_();
    const Tensor part = all.detach().narrow(0, first, mine).clone().requires_grad_();
    const Tensor slopes = torch::randn(shape);
    Tensor expected = torchs->forward(all);
    const Tensor output = ours->forward(part);
    require(mine == 0 || away(output, expected.narrow(0, first, mine)) < 2e-4, "outputs");
    torchs->zero_grad();
    ours->zero_grad();
    (expected * slopes).sum().backward();
    (output * slopes.narrow(0, first, mine)).sum().backward();
    require(mine == 0 || away(part.grad(), all.grad().narrow(0, first, mine)) < 2e-4,
            "gradients of the input");
    if (options.affine()) {
      std::vector<float> sums = gradients_of(ours->parameters());
      ranks.all_reduce(std::span<float>(sums)).wait();
      require(largest_difference(sums, gradients_of(torchs->parameters())) < 5e-3,
              "gradients of the parameters");
    }
    if (options.track_running_stats()) {
      require(away(ours->running_mean, torchs->running_mean) < 1e-4, "running mean");
      require(away(ours->running_var, torchs->running_var) < 1e-4, "running variance");
      require(torch::equal(ours->num_batches_tracked, torchs->num_batches_tracked), "count");
    }
  }
  torchs->eval();
  ours->eval();
  const Tensor input = torch::randn(shape) + 100;
  if (options.track_running_stats())
    require(away(ours->forward(input), torchs->forward(input)) < 2e-4, "evaluation");
  const auto keys = ours->named_parameters().keys();
  require(keys == torchs->named_parameters().keys(), "names of parameters");
  require(ours->named_buffers().keys() == torchs->named_buffers().keys(), "names of buffers");
}

TEST(SyncBatchNorm, IsTorchsOnTheJoinedBatch) {
  EXPECT_EQ(
      run_ranks(3,
                [](Communicator& ranks) {
                  compare(ranks, BatchNormOptions(5), {4, 3}, {4, 4, 4});
                  compare(ranks, BatchNormOptions(5).momentum(0.3).eps(1e-3), {2, 2}, {1, 7, 0});
                  compare(ranks, BatchNormOptions(2).affine(false), {3, 1}, {2, 1, 2});
                  compare(ranks, BatchNormOptions(2).track_running_stats(false), {3, 1}, {2, 1, 2});
                  compare(ranks, BatchNormOptions(2).momentum(torch::nullopt), {3, 1}, {2, 1, 2});
                }),
      "ok");
}

TEST(SyncBatchNorm, TrainsInsideAModelAsOneProcessDoes) {
  EXPECT_EQ(run_ranks(2,
                      [](Communicator& ranks) {
                        torch::manual_seed(1);
                        torch::nn::Sequential plain(torch::nn::Linear(20, 8),
                                                    torch::nn::BatchNorm1d(8), torch::nn::ReLU(),
                                                    torch::nn::Linear(8, 4));
                        torch::manual_seed(1);
                        DistributedDataParallel model(
                            ranks,
                            torch::nn::Sequential(torch::nn::Linear(20, 8),
                                                  SyncBatchNorm(ranks, BatchNormOptions(8)),
                                                  torch::nn::ReLU(), torch::nn::Linear(8, 4)),
                            {.bucket_bytes = 1, .first_bucket_bytes = 1});
                        torch::optim::SGD alone(plain->parameters(), 0.05);
                        torch::optim::SGD together(model->parameters(), 0.05);
                        const Examples examples = some_examples(32);
                        for (int step = 0; step < 20; ++step) {
                          alone.zero_grad();
                          loss_of(plain, examples).backward();
                          alone.step();
                          together.zero_grad();
                          loss_of(model, examples.part(ranks.rank() * 16, 16)).backward();
                          together.step();
                        }
                        require(largest_difference(values_of(model->parameters()),
                                                   values_of(plain->parameters())) < 1e-5,
                                "parameters");
                      }),
            "ok");
}

TEST(SyncBatchNorm, RefusesWhatHasNoVariance) {
  EXPECT_EQ(run_ranks(2,
                      [](Communicator& ranks) {
                        SyncBatchNorm norm(ranks, BatchNormOptions(3));
                        const auto complaint = complaint_of<core::InvalidArgument>([&] {
                          norm->forward(torch::ones({ranks.rank(), 3}));
                        });
                        require(complaint.find("has no variance") != std::string::npos, complaint);
                        require(complaint_of<core::InvalidArgument>([&] {
                                  norm->forward(torch::ones({2, 4}));
                                }).find("3 features") != std::string::npos,
                                "shapes are looked at");
                      }),
            "ok");
}

}  // namespace
}  // namespace mutirao::nn
