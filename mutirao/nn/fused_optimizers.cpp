#include "mutirao/nn/fused_optimizers.hpp"

#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/nn/internal/device.hpp"
#include "mutirao/nn/internal/device_optimizers.hpp"
#include "mutirao/nn/internal/parameter_kernels.hpp"

namespace mutirao::nn {
namespace {

using internal::parameter_kernels;
using torch::Tensor;

void check(const Tensor& parameter, const char* who) {
  const bool fits =
      (parameter.is_cpu() || parameter.is_cuda()) && parameter.layout() == torch::kStrided &&
      (parameter.scalar_type() == torch::kFloat32 || parameter.scalar_type() == torch::kFloat64) &&
      parameter.is_non_overlapping_and_dense();
  if (!fits) {
    throw core::Unsupported(
        fmt::format("{} cannot update a parameter of type {} on {}", who,
                    c10::toString(parameter.scalar_type()), parameter.device().str()),
        "use torch's own optimizer, or float32 parameters on the CPU or a GPU");
  }
}

void check_all(const std::vector<torch::optim::OptimizerParamGroup>& groups, const char* who) {
  for (const auto& group : groups) {
    for (const Tensor& parameter : group.params()) {
      if (!parameter.grad().defined()) continue;
      check(parameter, who);
      if (parameter.grad().layout() != torch::kStrided)
        throw core::Unsupported(fmt::format("{} cannot use a sparse gradient", who),
                                "use torch's own optimizer for this parameter");
    }
  }
}

/// The gradient with the parameter's order of elements in memory.
Tensor matching_gradient(const Tensor& parameter) {
  Tensor gradient = parameter.grad().detach();
  if (gradient.strides() == parameter.strides()) return gradient;
  return torch::empty_like(parameter).copy_(gradient);
}

// Since 2.1 the state's key is the tensor's address itself, before it was that address as text.
template <class Map>
typename Map::key_type state_key(const Map&, const Tensor& parameter) {
  if constexpr (std::is_same_v<typename Map::key_type, std::string>) {
    std::ostringstream text;
    text << parameter.unsafeGetTensorImpl();
    return text.str();
  } else {
    return parameter.unsafeGetTensorImpl();
  }
}

template <class State, class Map>
State& state_of(Map& states, const Tensor& parameter) {
  std::unique_ptr<torch::optim::OptimizerParamState>& state = states[state_key(states, parameter)];
  if (state == nullptr) state = std::make_unique<State>();
  return static_cast<State&>(*state);
}

/// Calls f with a null pointer to the parameter's number type.
template <class F>
void with_number_type(const Tensor& parameter, F f) {
  if (parameter.scalar_type() == torch::kFloat64) {
    f(static_cast<double*>(nullptr));
  } else {
    f(static_cast<float*>(nullptr));
  }
}

Tensor closure_loss(const torch::optim::Optimizer::LossClosure& closure) {
  if (closure == nullptr) return {};
  const torch::AutoGradMode enable_grad(true);
  return closure();
}

template <class Optimizer>
void forget_gradients(Optimizer& optimizer) {
  for (auto& group : optimizer.param_groups()) {
    for (Tensor& parameter : group.params()) parameter.mutable_grad().reset();
  }
}

/// Memory of a captured step would be filled anew in each replay.
void must_not_be_capturing(const Tensor& parameter) {
  if (!internal::is_capturing(parameter.device())) return;
  throw core::Unsupported("a parameter has its first gradient while the step is captured",
                          "capture after steps that use every parameter");
}

internal::SgdStep step_of(const torch::optim::SGDOptions& options) {
  return {.rate = options.lr(),
          .momentum = options.momentum(),
          .dampening = options.dampening(),
          .weight_decay = options.weight_decay(),
          .nesterov = options.nesterov()};
}

internal::AdamWStep step_of(const torch::optim::AdamWOptions& options) {
  return {.rate = options.lr(),
          .beta1 = std::get<0>(options.betas()),
          .beta2 = std::get<1>(options.betas()),
          .epsilon = options.eps(),
          .weight_decay = options.weight_decay()};
}

/// Whether the momentum buffer was made now.
bool make_state(const Tensor& parameter, torch::optim::SGDParamState& state) {
  if (state.momentum_buffer().defined()) return false;
  must_not_be_capturing(parameter);
  state.momentum_buffer(torch::zeros_like(parameter));
  return true;
}

void make_state(const Tensor& parameter, const torch::optim::AdamWOptions& options,
                torch::optim::AdamWParamState& state) {
  if (!state.exp_avg().defined()) {
    must_not_be_capturing(parameter);
    state.exp_avg(torch::zeros_like(parameter));
    state.exp_avg_sq(torch::zeros_like(parameter));
  }
  if (options.amsgrad() && !state.max_exp_avg_sq().defined()) {
    must_not_be_capturing(parameter);
    state.max_exp_avg_sq(torch::zeros_like(parameter));
  }
}

void step_one(const Tensor& parameter, const torch::optim::SGDOptions& options,
              torch::optim::SGDParamState* state) {
  internal::SgdStep step = step_of(options);
  const Tensor gradient = matching_gradient(parameter);
  if (state != nullptr) step.first = make_state(parameter, *state);
  with_number_type(parameter, [&]<class T>(T*) {
    parameter_kernels<T>(core::instruction_set())
        .sgd(parameter.data_ptr<T>(), gradient.data_ptr<T>(),
             state == nullptr ? nullptr : state->momentum_buffer().template data_ptr<T>(),
             static_cast<std::size_t>(parameter.numel()), step);
  });
}

void step_one(const Tensor& parameter, const torch::optim::AdamWOptions& options,
              torch::optim::AdamWParamState& state) {
  make_state(parameter, options, state);
  state.step(state.step() + 1);
  internal::AdamWStep step = step_of(options);
  step.step = static_cast<double>(state.step());
  const Tensor gradient = matching_gradient(parameter);
  with_number_type(parameter, [&]<class T>(T*) {
    parameter_kernels<T>(core::instruction_set())
        .adamw(parameter.data_ptr<T>(), gradient.data_ptr<T>(),
               state.exp_avg().template data_ptr<T>(), state.exp_avg_sq().template data_ptr<T>(),
               options.amsgrad() ? state.max_exp_avg_sq().template data_ptr<T>() : nullptr,
               static_cast<std::size_t>(parameter.numel()), step);
  });
}

/// Those that have a gradient, and of these the ones on a GPU; `on_host` is called with the others.
template <class OnHost>
std::vector<Tensor> on_device(const std::vector<Tensor>& parameters, OnHost on_host) {
  std::vector<Tensor> found;
  for (const Tensor& parameter : parameters) {
    if (!parameter.grad().defined()) continue;
    if (parameter.is_cuda()) {
      found.push_back(parameter);
    } else {
      on_host(parameter);
    }
  }
  return found;
}

internal::DeviceClocks& made(std::shared_ptr<internal::DeviceClocks>& clocks) {
  if (!clocks) clocks = std::make_shared<internal::DeviceClocks>();
  return *clocks;
}

}  // namespace

Tensor FusedSgd::step(LossClosure closure) {
  Tensor loss = closure_loss(closure);
  const torch::NoGradGuard no_grad;
  check_all(param_groups_, "FusedSgd");
  std::size_t place = 0;
  for (std::size_t g = 0; g < param_groups_.size(); ++g) {
    const auto& options = static_cast<const torch::optim::SGDOptions&>(param_groups_[g].options());
    const auto state = [&](const Tensor& parameter) {
      return options.momentum() == 0.0 ? nullptr
                                       : &state_of<torch::optim::SGDParamState>(state_, parameter);
    };
    const std::vector<Tensor> there =
        on_device(param_groups_[g].params(),
                  [&](const Tensor& parameter) { step_one(parameter, options, state(parameter)); });
    if (there.empty()) continue;
    const Tensor rate =
        made(clocks_).tick(place++, g, there, {.rate = options.lr(), .step = {}}).rate;
    for (const Tensor& parameter : there) {
      internal::SgdStep step = step_of(options);
      torch::optim::SGDParamState* const its = state(parameter);
      if (its != nullptr) step.first = make_state(parameter, *its);
      sgd_on_device(parameter, matching_gradient(parameter),
                    its == nullptr ? Tensor() : its->momentum_buffer(), step, rate);
    }
  }
  return loss;
}

void FusedSgd::zero_grad() { forget_gradients(*this); }

void FusedSgd::prepare_graph() {
  made(clocks_).set([&](const internal::DeviceClock& clock) -> internal::DeviceTime {
    return {.rate = param_groups_[clock.group].options().get_lr(), .step = {}};
  });
}

void FusedSgd::count_replay() { made(clocks_).count(); }

Tensor FusedAdamW::step(LossClosure closure) {
  Tensor loss = closure_loss(closure);
  const torch::NoGradGuard no_grad;
  check_all(param_groups_, "FusedAdamW");
  std::size_t place = 0;
  for (std::size_t g = 0; g < param_groups_.size(); ++g) {
    const auto& options =
        static_cast<const torch::optim::AdamWOptions&>(param_groups_[g].options());
    const auto state = [&](const Tensor& parameter) -> torch::optim::AdamWParamState& {
      return state_of<torch::optim::AdamWParamState>(state_, parameter);
    };
    const std::vector<Tensor> there =
        on_device(param_groups_[g].params(),
                  [&](const Tensor& parameter) { step_one(parameter, options, state(parameter)); });
    // One clock for those of one type that are at the same step.
    std::map<std::pair<torch::ScalarType, std::int64_t>, std::vector<Tensor>> alike;
    for (const Tensor& parameter : there)
      alike[{parameter.scalar_type(), state(parameter).step()}].push_back(parameter);
    for (const auto& [key, parameters] : alike) {
      const internal::AdamWStep step = step_of(options);
      const internal::DeviceClock& clock = made(clocks_).tick(
          place++, g, parameters, {.rate = options.lr(), .step = key.second + 1});
      const auto numbers = internal::adamw_numbers(step, clock.rate, clock.step, key.first);
      for (const Tensor& parameter : parameters) {
        torch::optim::AdamWParamState& its = state(parameter);
        make_state(parameter, options, its);
        its.step(key.second + 1);
        adamw_on_device(parameter, matching_gradient(parameter), its.exp_avg(), its.exp_avg_sq(),
                        options.amsgrad() ? its.max_exp_avg_sq() : Tensor(), step, numbers);
      }
    }
  }
  return loss;
}

void FusedAdamW::zero_grad() { forget_gradients(*this); }

void FusedAdamW::prepare_graph() {
  made(clocks_).set([&](const internal::DeviceClock& clock) -> internal::DeviceTime {
    std::optional<std::int64_t> step;
    for (const Tensor& parameter : clock.parameters) {
      const auto& its = state_of<torch::optim::AdamWParamState>(state_, parameter);
      if (step && *step != its.step()) {
        throw core::Unsupported("parameters that were captured at one step are at different ones",
                                "load the state of one and the same run");
      }
      step = its.step();
    }
    return {.rate = param_groups_[clock.group].options().get_lr(), .step = step};
  });
}

void FusedAdamW::count_replay() {
  made(clocks_).count();
  for (const internal::DeviceClock& clock : clocks_->all()) {
    for (const Tensor& parameter : clock.parameters)
      state_of<torch::optim::AdamWParamState>(state_, parameter).step(*clock.here.step);
  }
}

double clip_gradient_norm(const std::vector<Tensor>& parameters, double max_norm) {
  const torch::NoGradGuard no_grad;
  double squares = 0.0;
  Tensor squares_there;  // on the GPU
  for (const Tensor& parameter : parameters) {
    if (!parameter.grad().defined()) continue;
    check(parameter.grad(), "clip_gradient_norm");
    if (parameter.is_cuda()) {
      const Tensor its = parameter.grad().to(torch::kFloat64).square().sum();
      squares_there =
          squares_there.defined() ? squares_there.add_(its.to(squares_there.device())) : its;
      continue;
    }
    with_number_type(parameter, [&]<class T>(T*) {
      squares += parameter_kernels<T>(core::instruction_set())
                     .sum_of_squares(parameter.grad().data_ptr<T>(),
                                     static_cast<std::size_t>(parameter.numel()));
    });
  }
  if (squares_there.defined()) squares += squares_there.item<double>();
  const double norm = std::sqrt(squares);
  if (!std::isfinite(norm)) {
    throw core::InvalidInput(fmt::format("the norm of the gradients is {}", norm),
                             "use a smaller learning rate, or look for the step's bad example");
  }
  if (norm <= max_norm) return norm;
  for (const Tensor& parameter : parameters) {
    if (!parameter.grad().defined()) continue;
    if (parameter.is_cuda()) {
      parameter.grad().mul_(max_norm / norm);
      continue;
    }
    with_number_type(parameter, [&]<class T>(T*) {
      parameter_kernels<T>(core::instruction_set())
          .scale(parameter.grad().data_ptr<T>(), static_cast<std::size_t>(parameter.numel()),
                 max_norm / norm);
    });
  }
  return norm;
}

}  // namespace mutirao::nn
