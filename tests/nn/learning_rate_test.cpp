#include "mutirao/nn/learning_rate.hpp"

#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <torch/optim/sgd.h>
#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "mutirao/core/error.hpp"

namespace mutirao::nn {
namespace {

torch::optim::SGD optimizer_with(const std::vector<double>& rates) {
  std::vector<torch::optim::OptimizerParamGroup> groups;
  for (const double rate : rates) {
    groups.emplace_back(std::vector<torch::Tensor>{torch::zeros({1}, torch::requires_grad())},
                        std::make_unique<torch::optim::SGDOptions>(rate));
  }
  return torch::optim::SGD(std::move(groups), torch::optim::SGDOptions(1.0));
}

TEST(LearningRate, IsThatOfTorchsSchedulers) {
  std::ifstream stream(std::string(MUTIRAO_TEST_DATA) + "/nn/learning_rates.json");
  for (const auto& one : nlohmann::json::parse(stream).at("cases")) {
    auto optimizer = optimizer_with({one.at("rate")});
    LearningRate rate(optimizer, WarmupCosine{.warmup_steps = one.at("warmup"),
                                              .total_steps = one.at("total"),
                                              .start_factor = one.at("start"),
                                              .final_factor = one.at("final")});
    for (const double expected : one.at("rates")) {
      EXPECT_NEAR(rate.rate(), expected, 1e-12) << one << " step " << rate.steps();
      rate.step();
    }
  }
}

TEST(LearningRate, StaysWhereTheScheduleEnds) {
  const WarmupCosine schedule{.warmup_steps = 2, .total_steps = 10, .final_factor = 0.25};
  EXPECT_DOUBLE_EQ(schedule(10), 0.25);
  EXPECT_DOUBLE_EQ(schedule(1000), 0.25);
  const Warmup warmup{.warmup_steps = 4, .start_factor = 0.5};
  EXPECT_DOUBLE_EQ(warmup(0), 0.5);
  EXPECT_DOUBLE_EQ(warmup(2), 0.75);
  EXPECT_DOUBLE_EQ(warmup(99), 1.0);
}

TEST(LearningRate, EveryGroupKeepsItsOwnInitialRate) {
  auto optimizer = optimizer_with({1.0, 0.1});
  LearningRate rate(optimizer, [](std::int64_t step) { return 1.0 / (1.0 + double(step)); });
  rate.step();
  EXPECT_DOUBLE_EQ(rate.rate(0), 0.5);
  EXPECT_DOUBLE_EQ(rate.rate(1), 0.05);
}

TEST(LearningRate, IsRestored) {
  auto first = optimizer_with({1.0});
  LearningRate rate(first, Warmup{.warmup_steps = 10});
  rate.seek(3);
  auto second = optimizer_with({8.0});
  LearningRate other(second, Warmup{.warmup_steps = 10});
  other.restore(rate.initial_rates(), rate.steps());
  EXPECT_DOUBLE_EQ(other.rate(), rate.rate());
  EXPECT_THROW(other.restore({1.0, 2.0}, 0), core::InvalidInput);
}

TEST(LearningRate, RefusesAGroupThatItDoesNotKnow) {
  auto optimizer = optimizer_with({1.0});
  LearningRate rate(optimizer, Warmup{});
  optimizer.add_param_group({{torch::zeros({1}, torch::requires_grad())}});
  EXPECT_THROW(rate.step(), core::InvalidArgument);
  EXPECT_THROW(LearningRate(optimizer, nullptr), core::InvalidArgument);
}

}  // namespace
}  // namespace mutirao::nn
