// A training step on one GPU, eager and captured, beside each other. usage: captured_bench
//
// Prints for each model and batch the median microseconds of both, in turns, and their ratio. The
// first model is 1000-100-10; in the last one the kernels take longer than starting them.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <vector>

#include <torch/cuda.h>
#include <torch/torch.h>

#include "mutirao/core/error.hpp"
#include "mutirao/nn/captured_step.hpp"
#include "mutirao/nn/fused_optimizers.hpp"

namespace {

using namespace mutirao;
using torch::Tensor;

torch::nn::Sequential network_of(int inputs, int hidden) {
  torch::manual_seed(0);
  torch::nn::Sequential network(torch::nn::Linear(inputs, hidden), torch::nn::ReLU(),
                                torch::nn::Linear(hidden, 10));
  network->to(torch::Device(torch::kCUDA, 0));
  return network;
}

Tensor loss_of(torch::nn::Sequential& network, const Tensor& input, const Tensor& target) {
  return torch::nn::functional::cross_entropy(network->forward(input), target);
}

/// Microseconds of one of 200 steps.
double microseconds(const std::function<void()>& step) {
  using Clock = std::chrono::steady_clock;
  constexpr int kSteps = 200;
  torch::cuda::synchronize();
  const auto start = Clock::now();
  for (int i = 0; i < kSteps; ++i) step();
  torch::cuda::synchronize();
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count() / kSteps;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void compare(int inputs, int hidden, int batch) {
  const torch::Device device(torch::kCUDA, 0);
  const Tensor input = torch::randn({batch, inputs}, device);
  const Tensor target =
      torch::randint(10, {batch}, torch::TensorOptions(torch::kLong).device(device));
  torch::nn::Sequential plain = network_of(inputs, hidden), other = network_of(inputs, hidden);
  torch::optim::SGD torchs(plain->parameters(), torch::optim::SGDOptions(0.01));
  const auto eager = [&] {
    for (Tensor& parameter : torchs.param_groups()[0].params()) parameter.mutable_grad().reset();
    loss_of(plain, input, target).backward();
    torchs.step();
  };
  nn::FusedSgd ours(other->parameters(), torch::optim::SGDOptions(0.01));
  nn::CapturedStep captured([&](const Tensor& x, const Tensor& y) { return loss_of(other, x, y); },
                            ours);
  const auto graph = [&] { captured(input, target); };
  microseconds(eager);
  microseconds(graph);
  std::vector<double> one, two;
  for (int round = 0; round < 7; ++round) {
    one.push_back(microseconds(eager));
    two.push_back(microseconds(graph));
  }
  std::printf("| %d-%d-10, batch %d | %.1f | %.1f | %.2f |\n", inputs, hidden, batch, median(one),
              median(two), median(one) / median(two));
}

}  // namespace

int main() try {
  if (!torch::cuda::is_available()) {
    std::fprintf(stderr, "captured_bench: error: there is no GPU that CUDA can use\n");
    return 1;
  }
  std::printf("| a step, us | eager | captured | ratio |\n|---|--:|--:|--:|\n");
  for (const int batch : {32, 128, 1024}) compare(1000, 100, batch);
  compare(4096, 16384, 4096);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "captured_bench: error: %s\n", mutirao::core::describe(error).c_str());
  return 1;
}
