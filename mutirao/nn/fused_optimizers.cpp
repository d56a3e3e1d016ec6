#include "mutirao/nn/fused_optimizers.hpp"

#include <cmath>
#include <memory>
#include <sstream>
#include <string>
#include <tuple>
#include <type_traits>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/nn/internal/parameter_kernels.hpp"

namespace mutirao::nn {
namespace {

using internal::parameter_kernels;
using torch::Tensor;

void check(const Tensor& parameter, const char* who) {
  const bool fits =
      parameter.device().is_cpu() && parameter.layout() == torch::kStrided &&
      (parameter.scalar_type() == torch::kFloat32 || parameter.scalar_type() == torch::kFloat64) &&
      parameter.is_non_overlapping_and_dense();
  if (!fits) {
    throw core::Unsupported(
        fmt::format("{} cannot update a parameter of type {} on {}", who,
                    c10::toString(parameter.scalar_type()), parameter.device().str()),
        "use torch's own optimizer, or float32 parameters on the CPU");
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

void step_one(const Tensor& parameter, const torch::optim::SGDOptions& options,
              torch::optim::SGDParamState* state) {
  internal::SgdStep step{.rate = options.lr(),
                         .momentum = options.momentum(),
                         .dampening = options.dampening(),
                         .weight_decay = options.weight_decay(),
                         .nesterov = options.nesterov()};
  const Tensor gradient = matching_gradient(parameter);
  if (state != nullptr && !state->momentum_buffer().defined()) {
    state->momentum_buffer(torch::zeros_like(parameter));
    step.first = true;
  }
  with_number_type(parameter, [&]<class T>(T*) {
    parameter_kernels<T>(core::instruction_set())
        .sgd(parameter.data_ptr<T>(), gradient.data_ptr<T>(),
             state == nullptr ? nullptr : state->momentum_buffer().template data_ptr<T>(),
             static_cast<std::size_t>(parameter.numel()), step);
  });
}

void step_one(const Tensor& parameter, const torch::optim::AdamWOptions& options,
              torch::optim::AdamWParamState& state) {
  if (!state.exp_avg().defined()) {
    state.exp_avg(torch::zeros_like(parameter));
    state.exp_avg_sq(torch::zeros_like(parameter));
  }
  if (options.amsgrad() && !state.max_exp_avg_sq().defined())
    state.max_exp_avg_sq(torch::zeros_like(parameter));
  state.step(state.step() + 1);
  const internal::AdamWStep step{.rate = options.lr(),
                                 .beta1 = std::get<0>(options.betas()),
                                 .beta2 = std::get<1>(options.betas()),
                                 .epsilon = options.eps(),
                                 .weight_decay = options.weight_decay(),
                                 .step = static_cast<double>(state.step())};
  const Tensor gradient = matching_gradient(parameter);
  with_number_type(parameter, [&]<class T>(T*) {
    parameter_kernels<T>(core::instruction_set())
        .adamw(parameter.data_ptr<T>(), gradient.data_ptr<T>(),
               state.exp_avg().template data_ptr<T>(), state.exp_avg_sq().template data_ptr<T>(),
               options.amsgrad() ? state.max_exp_avg_sq().template data_ptr<T>() : nullptr,
               static_cast<std::size_t>(parameter.numel()), step);
  });
}

}  // namespace

Tensor FusedSgd::step(LossClosure closure) {
  Tensor loss = closure_loss(closure);
  const torch::NoGradGuard no_grad;
  check_all(param_groups_, "FusedSgd");
  for (auto& group : param_groups_) {
    const auto& options = static_cast<const torch::optim::SGDOptions&>(group.options());
    for (const Tensor& parameter : group.params()) {
      if (!parameter.grad().defined()) continue;
      step_one(parameter, options,
               options.momentum() == 0.0
                   ? nullptr
                   : &state_of<torch::optim::SGDParamState>(state_, parameter));
    }
  }
  return loss;
}

void FusedSgd::zero_grad() { forget_gradients(*this); }

Tensor FusedAdamW::step(LossClosure closure) {
  Tensor loss = closure_loss(closure);
  const torch::NoGradGuard no_grad;
  check_all(param_groups_, "FusedAdamW");
  for (auto& group : param_groups_) {
    const auto& options = static_cast<const torch::optim::AdamWOptions&>(group.options());
    for (const Tensor& parameter : group.params()) {
      if (!parameter.grad().defined()) continue;
      step_one(parameter, options, state_of<torch::optim::AdamWParamState>(state_, parameter));
    }
  }
  return loss;
}

void FusedAdamW::zero_grad() { forget_gradients(*this); }

double clip_gradient_norm(const std::vector<Tensor>& parameters, double max_norm) {
  const torch::NoGradGuard no_grad;
  double squares = 0.0;
  for (const Tensor& parameter : parameters) {
    if (!parameter.grad().defined()) continue;
    check(parameter.grad(), "clip_gradient_norm");
    with_number_type(parameter, [&]<class T>(T*) {
      squares += parameter_kernels<T>(core::instruction_set())
                     .sum_of_squares(parameter.grad().data_ptr<T>(),
                                     static_cast<std::size_t>(parameter.numel()));
    });
  }
  const double norm = std::sqrt(squares);
  if (!std::isfinite(norm)) {
    throw core::InvalidInput(fmt::format("the norm of the gradients is {}", norm),
                             "use a smaller learning rate, or look for the step's bad example");
  }
  if (norm <= max_norm) return norm;
  for (const Tensor& parameter : parameters) {
    if (!parameter.grad().defined()) continue;
    with_number_type(parameter, [&]<class T>(T*) {
      parameter_kernels<T>(core::instruction_set())
          .scale(parameter.grad().data_ptr<T>(), static_cast<std::size_t>(parameter.numel()),
                 max_norm / norm);
    });
  }
  return norm;
}

}  // namespace mutirao::nn
