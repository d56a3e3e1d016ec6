#pragma once

// What a training step of one model takes, measured the same way on every side: 1000-100-10 with
// cross entropy and SGD, one batch again and again. Prints `first` after the first step, then
// `<batch> <median microseconds of a step>` for each batch size.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include <torch/torch.h>

namespace mutirao::bench {

inline torch::nn::Sequential article_model() {
  torch::manual_seed(0);
  return torch::nn::Sequential(torch::nn::Linear(1000, 100), torch::nn::ReLU(),
                               torch::nn::Linear(100, 10));
}

/// `make_step(batch size)` gives the step; `barrier` meets the other ranks.
template <class MakeStep, class Barrier>
void measure_steps(bool prints, MakeStep make_step, Barrier barrier) {
  using Clock = std::chrono::steady_clock;
  bool first = true;
  for (const std::int64_t batch : {32, 128, 1024}) {
    const auto step = make_step(torch::randn({batch, 1000}), torch::randint(10, {batch}));
    step();
    if (first && prints) {
      std::printf("first\n");
      std::fflush(stdout);
    }
    first = false;
    for (int i = 0; i < 30; ++i) step();
    barrier();
    std::vector<double> taken;
    for (int i = 0; i < (batch < 1000 ? 400 : 150); ++i) {
      const auto start = Clock::now();
      step();
      taken.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    }
    std::nth_element(taken.begin(), taken.begin() + static_cast<std::ptrdiff_t>(taken.size() / 2),
                     taken.end());
    if (prints) std::printf("%d %.1f\n", static_cast<int>(batch), taken[taken.size() / 2]);
    barrier();
  }
}

}  // namespace mutirao::bench
