#include "mutirao/nn/distributed_data_parallel.hpp"

#include <csignal>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../comm/ranks.hpp"
#include "mutirao/nn/fused_optimizers.hpp"
#include "training.hpp"

namespace mutirao::nn {
namespace {

using comm::Communicator;
using comm::run_ranks;
using testing::HasSubstr;

constexpr int kEpochs = 10;
constexpr std::int64_t kBatch = 24, kBatches = 5;

/// Ten epochs in one process, with the whole batches. In a rank, not in the test: LibTorch 2 does
/// not run autograd in a process that was forked from one which has.
template <class Optimizer, class Options>
std::vector<float> trained_alone(const Options& options) {
  const Examples examples = some_examples(kBatch * kBatches);
  torch::nn::Sequential model = some_model();
  Optimizer optimizer(model->parameters(), options);
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    for (std::int64_t batch = 0; batch < kBatches; ++batch) {
      optimizer.zero_grad();
      loss_of(model, examples.part(batch * kBatch, kBatch)).backward();
      optimizer.step();
    }
  }
  return values_of(model->parameters());
}

/// The same with each rank's part of them.
template <class Optimizer, class Options>
std::vector<float> trained_together(Communicator& ranks, const Options& options,
                                    const ReducerOptions& reducer = {}) {
  const Examples examples = some_examples(kBatch * kBatches);
  const std::int64_t part = kBatch / ranks.size();
  // What the other ranks begin with is not what they go on with.
  DistributedDataParallel model(ranks, some_model(1 + std::uint64_t(ranks.rank())), reducer);
  Optimizer optimizer(model->parameters(), options);
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    for (std::int64_t batch = 0; batch < kBatches; ++batch) {
      optimizer.zero_grad();
      loss_of(model, examples.part(batch * kBatch + ranks.rank() * part, part)).backward();
      optimizer.step();
    }
    require_equal_on_all(ranks, values_of(model->parameters()), "parameters");
  }
  return values_of(model->parameters());
}

constexpr std::size_t kEverything = std::numeric_limits<std::size_t>::max();
const std::vector<std::pair<std::size_t, std::size_t>> kBucketSizes{
    {1, 1}, {1 << 20, 25 << 20}, {kEverything, kEverything}, {300, 800}};

class DistributedDataParallelTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Ranks, DistributedDataParallelTest, testing::Values(1, 2, 4),
                         [](const auto& info) { return std::to_string(info.param); });

TEST_P(DistributedDataParallelTest, EqualsOneProcessWithTheWholeBatch) {
  const auto options = torch::optim::SGDOptions(0.1).momentum(0.9);
  for (const auto& [first, others] : kBucketSizes) {
    const ReducerOptions reducer{.bucket_bytes = others, .first_bucket_bytes = first};
    EXPECT_EQ(run_ranks(GetParam(),
                        [&](Communicator& ranks) {
                          const auto alone = trained_alone<torch::optim::SGD>(options);
                          const auto together =
                              trained_together<torch::optim::SGD>(ranks, options, reducer);
                          const double away = largest_difference(together, alone);
                          require(away <= 1e-6, "the difference is " + std::to_string(away));
                        }),
              "ok")
        << "buckets of " << first << " and " << others << " bytes";
  }
}

TEST_P(DistributedDataParallelTest, EqualsOneProcessWithFusedOptimizers) {
  const auto sgd = torch::optim::SGDOptions(0.1).momentum(0.9).nesterov(true).weight_decay(1e-3);
  const auto adamw = torch::optim::AdamWOptions(1e-3);
  EXPECT_EQ(run_ranks(GetParam(),
                      [&](Communicator& ranks) {
                        const auto sgd_alone = trained_alone<torch::optim::SGD>(sgd);
                        const auto a = trained_together<FusedSgd>(ranks, sgd);
                        require(largest_difference(a, sgd_alone) <= 1e-6, "SGD is the same");
                        const auto adamw_alone = trained_alone<torch::optim::AdamW>(adamw);
                        const auto b = trained_together<FusedAdamW>(ranks, adamw);
                        const double away = largest_difference(b, adamw_alone);
                        require(away <= 1e-6, "AdamW differs by " + std::to_string(away));
                      }),
            "ok");
}

TEST_P(DistributedDataParallelTest, GivesTheSameBytesRunAfterRun) {
  const auto options = torch::optim::SGDOptions(0.1).momentum(0.9);
  const auto outcome = [&] {
    return run_ranks(GetParam(), [&](Communicator& ranks) {
      const auto values = trained_together<FusedSgd>(ranks, options);
      std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * 4);
      throw std::runtime_error(std::to_string(std::hash<std::string>{}(bytes)));
    });
  };
  const std::string once = outcome();
  EXPECT_THAT(once, HasSubstr("error: "));
  EXPECT_EQ(outcome(), once);
}

struct TwoHeadsImpl : torch::nn::Module {
  TwoHeadsImpl() {
    body = register_module("body", torch::nn::Linear(3, 2));
    head = register_module("head", torch::nn::Linear(2, 1));
  }
  std::pair<torch::Tensor, std::vector<torch::Tensor>> forward(const torch::Tensor& input,
                                                               bool both) {
    const torch::Tensor inner = body->forward(input);
    if (!both) return {inner, {}};
    return {inner, {head->forward(inner)}};
  }
  torch::nn::Linear body{nullptr}, head{nullptr};
};
TORCH_MODULE(TwoHeads);

TEST(DistributedDataParallel, ForwardsItsArgumentsAndResultsAsTheyAre) {
  EXPECT_EQ(run_ranks(2,
                      [](Communicator& ranks) {
                        DistributedDataParallel model(ranks, TwoHeads());
                        DistributedDataParallel shared(ranks, std::make_shared<TwoHeadsImpl>());
                        const auto [inner, outer] = model(torch::ones({4, 3}), true);
                        require(outer.size() == 1 && inner.size(1) == 2, "both came out");
                        (inner.sum() + outer[0].sum()).backward();
                        require(model->body->weight.grad().defined(), "there are gradients");
                        const auto keys = model.module()->named_parameters().keys();
                        require(keys.front() == "body.weight", "names are the module's own");
                      }),
            "ok");
}

TEST(DistributedDataParallel, ARankKilledInMidTrainingIsNamedByTheOthers) {
  for (const int killed : {0, 2}) {
    comm::Ranks ranks(3, [&](int rank) -> std::string {
      comm::CommunicatorOptions options;
      options.world = comm::test_world(rank, 3);
      Communicator communicator(options);
      DistributedDataParallel model(communicator, some_model(), {.bucket_bytes = 1});
      FusedSgd optimizer(model->parameters(), torch::optim::SGDOptions(0.1));
      const Examples examples = some_examples(8);
      for (int step = 0;; ++step) {
        if (step == 3 && rank == killed) comm::tell();
        optimizer.zero_grad();
        loss_of(model, examples).backward();
        optimizer.step();
      }
    });
    ASSERT_TRUE(ranks.wait_for_word(killed));
    ::kill(ranks.process(killed), SIGKILL);
    const auto outcomes = ranks.join(std::chrono::seconds(60));
    for (int rank = 0; rank < 3; ++rank) {
      if (rank == killed) continue;
      const auto& outcome = outcomes[static_cast<std::size_t>(rank)];
      EXPECT_FALSE(outcome.timed_out);
      EXPECT_THAT(outcome.said, HasSubstr("rank " + std::to_string(killed)));
    }
  }
}

}  // namespace
}  // namespace mutirao::nn
