#pragma once

// Learning rates that change with the step.
//
// Purpose: the schedules that torch's C++ lacks. A schedule is a pure function from the step to a
// factor; LearningRate multiplies the initial rate of every parameter group by it. Guarantees:
// construction sets the rates of step 0, the k-th call of step() those of step k. Equal to
// Python's LinearLR followed by CosineAnnealingLR. Thread safety: one object, one thread.
// Lifetime: the optimizer outlives the LearningRate. Failure: core::InvalidArgument.
//
//   nn::LearningRate rate(optimizer, nn::WarmupCosine{.warmup_steps = 100, .total_steps = 5000});
//   ... optimizer.step(); rate.step();

#include <cstdint>
#include <functional>
#include <vector>

#include <torch/optim/optimizer.h>

namespace mutirao::nn {

/// Rises in a straight line from start_factor to 1 during the first warmup_steps steps, then
/// falls to final_factor along half a cosine, which it reaches at total_steps and keeps.
struct WarmupCosine {
  std::int64_t warmup_steps = 0;
  std::int64_t total_steps = 1;
  double start_factor = 0.0;
  double final_factor = 0.0;

  double operator()(std::int64_t step) const;
};

/// Rises in a straight line from start_factor to 1, then stays.
struct Warmup {
  std::int64_t warmup_steps = 1;
  double start_factor = 0.0;

  double operator()(std::int64_t step) const;
};

class LearningRate {
 public:
  using Schedule = std::function<double(std::int64_t step)>;

  LearningRate(torch::optim::Optimizer& optimizer, Schedule schedule);

  void step() { seek(step_ + 1); }
  /// Sets the rates of that step.
  void seek(std::int64_t step);
  std::int64_t steps() const noexcept { return step_; }
  /// The present rate of a parameter group.
  double rate(std::size_t group = 0) const;

  /// What is multiplied, one for each parameter group; a checkpoint holds it.
  const std::vector<double>& initial_rates() const noexcept { return initial_; }
  void restore(const std::vector<double>& initial_rates, std::int64_t step);

 private:
  torch::optim::Optimizer& optimizer_;
  Schedule schedule_;
  std::vector<double> initial_;
  std::int64_t step_ = 0;
};

}  // namespace mutirao::nn
