#include "mutirao/nn/internal/captured_optimizer.hpp"

#include <optional>
#include <typeinfo>

#include <fmt/format.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include "mutirao/core/error.hpp"
#include "mutirao/nn/fused_optimizers.hpp"

namespace mutirao::nn::internal {
namespace {

/// But for the rate.
bool same_otherwise(const torch::optim::OptimizerOptions& a,
                    const torch::optim::OptimizerOptions& b) {
  const auto other = b.clone();
  other->set_lr(a.get_lr());
  if (const auto* sgd = dynamic_cast<const torch::optim::SGDOptions*>(&a))
    return *sgd == dynamic_cast<const torch::optim::SGDOptions&>(*other);
  return dynamic_cast<const torch::optim::AdamWOptions&>(a) ==
         dynamic_cast<const torch::optim::AdamWOptions&>(*other);
}

}  // namespace

CapturedOptimizer::CapturedOptimizer(torch::optim::Optimizer& optimizer) : optimizer_(optimizer) {
  // A class below one of them may do anything in its step.
  const std::type_info& type = typeid(optimizer);
  if (type == typeid(FusedSgd)) {
    auto& one = static_cast<FusedSgd&>(optimizer);
    prepare_ = [&one] { one.prepare_graph(); };
    count_ = [&one] { one.count_replay(); };
  } else if (type == typeid(FusedAdamW)) {
    auto& one = static_cast<FusedAdamW&>(optimizer);
    prepare_ = [&one] { one.prepare_graph(); };
    count_ = [&one] { one.count_replay(); };
  } else if (type != typeid(torch::optim::SGD)) {
    throw core::Unsupported(
        "a step of this optimizer cannot be captured: a graph would repeat the "
        "numbers of one step",
        "use FusedSgd, FusedAdamW, or torch::optim::SGD at a constant rate");
  }
}

torch::Device CapturedOptimizer::device() const {
  std::optional<torch::Device> found;
  for (const auto& group : std::as_const(optimizer_).param_groups()) {
    for (const torch::Tensor& parameter : group.params()) {
      if (!parameter.is_cuda()) {
        throw core::Unsupported(
            fmt::format("a parameter is on {}: only a step on a GPU can be captured",
                        parameter.device().str()),
            "move the model to a CUDA device first; on the CPU call backward() and step()");
      }
      if (found && *found != parameter.device()) {
        throw core::Unsupported(
            fmt::format("parameters are on {} and on {}", found->str(), parameter.device().str()),
            "a captured step is for one GPU per process");
      }
      found = parameter.device();
    }
  }
  if (!found) throw core::Unsupported("the optimizer has no parameters", "give it the model's");
  return *found;
}

void CapturedOptimizer::clear_gradients() {
  for (auto& group : optimizer_.param_groups())
    for (torch::Tensor& parameter : group.params()) parameter.mutable_grad().reset();
}

void CapturedOptimizer::record(const std::function<void()>& capture) {
  recorded_.clear();
  for (const auto& group : std::as_const(optimizer_).param_groups())
    recorded_.push_back(group.options().clone());
  if (prepare_) prepare_();
  const std::size_t states = optimizer_.state().size();
  capture();
  if (optimizer_.state().size() != states) {
    throw core::Unsupported("a parameter has its first gradient while the step is captured",
                            "capture after steps that use every parameter");
  }
}

void CapturedOptimizer::prepare_replay() {
  const auto& groups = std::as_const(optimizer_).param_groups();
  if (groups.size() != recorded_.size()) {
    throw core::Unsupported("the optimizer has got parameters since its step was captured",
                            "make another CapturedStep");
  }
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const auto &now = groups[i].options(), &then = *recorded_[i];
    if (!same_otherwise(now, then)) {
      throw core::Unsupported("an option of the optimizer has changed since its step was captured",
                              "make another CapturedStep; only the learning rate may change");
    }
    if (!prepare_ && now.get_lr() != then.get_lr()) {
      throw core::Unsupported(
          fmt::format("the learning rate is {}, the captured step of torch::optim::SGD has {}",
                      now.get_lr(), then.get_lr()),
          "use FusedSgd, whose captured step reads the rate of now");
    }
  }
  if (prepare_) prepare_();
}

void CapturedOptimizer::count_replay() {
  if (count_) count_();
}

}  // namespace mutirao::nn::internal
