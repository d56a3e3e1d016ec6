#include "mutirao/nn/learning_rate.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"

namespace mutirao::nn {
namespace {

double rising(std::int64_t step, std::int64_t steps, double start) {
  if (step >= steps) return 1.0;
  return start + (1.0 - start) * static_cast<double>(step) / static_cast<double>(steps);
}

}  // namespace

double WarmupCosine::operator()(std::int64_t step) const {
  if (step < warmup_steps) return rising(step, warmup_steps, start_factor);
  const std::int64_t falling = std::max<std::int64_t>(total_steps - warmup_steps, 1);
  const double part =
      static_cast<double>(std::min(step - warmup_steps, falling)) / static_cast<double>(falling);
  return final_factor + (1.0 - final_factor) * (1.0 + std::cos(std::numbers::pi * part)) / 2.0;
}

double Warmup::operator()(std::int64_t step) const {
  return rising(step, warmup_steps, start_factor);
}

LearningRate::LearningRate(torch::optim::Optimizer& optimizer, Schedule schedule)
    : optimizer_(optimizer), schedule_(std::move(schedule)) {
  if (!schedule_) throw core::InvalidArgument("a learning rate needs a schedule");
  for (const auto& group : optimizer_.param_groups()) initial_.push_back(group.options().get_lr());
  seek(0);
}

void LearningRate::seek(std::int64_t step) {
  auto& groups = optimizer_.param_groups();
  if (groups.size() != initial_.size()) {
    throw core::InvalidArgument(
        fmt::format("the optimizer has {} parameter groups, its learning rate was made for {}",
                    groups.size(), initial_.size()),
        "add parameter groups before you construct the LearningRate");
  }
  const double factor = schedule_(step);
  for (std::size_t i = 0; i < groups.size(); ++i) groups[i].options().set_lr(initial_[i] * factor);
  step_ = step;
}

double LearningRate::rate(std::size_t group) const {
  return std::as_const(optimizer_).param_groups().at(group).options().get_lr();
}

void LearningRate::restore(const std::vector<double>& initial_rates, std::int64_t step) {
  if (initial_rates.size() != initial_.size()) {
    throw core::InvalidInput(fmt::format("rates of {} parameter groups do not fit {}",
                                         initial_rates.size(), initial_.size()),
                             "resume with the optimizer of that run");
  }
  initial_ = initial_rates;
  seek(step);
}

}  // namespace mutirao::nn
