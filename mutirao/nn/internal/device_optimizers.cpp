#include "mutirao/nn/internal/device_optimizers.hpp"

#include "mutirao/core/error.hpp"
#include "mutirao/nn/internal/device.hpp"

namespace mutirao::nn::internal {

using torch::Tensor;

namespace {

bool is_next(const DeviceTime& before, const DeviceTime& now) {
  return !now.step || (before.step && *before.step + 1 == *now.step);
}

}  // namespace

const DeviceClock& DeviceClocks::tick(std::size_t place, std::size_t group,
                                      const std::vector<Tensor>& parameters,
                                      const DeviceTime& now) {
  const torch::Device device = parameters.front().device();
  if (place >= clocks_.size()) clocks_.resize(place + 1);
  DeviceClock& clock = clocks_[place];
  const bool is_new = !clock.rate.defined() || clock.rate.device() != device;
  if (is_capturing(device) &&
      (is_new || clock.here.rate != now.rate || !is_next(clock.here, now))) {
    throw core::Unsupported("the optimizer is not where the last step left it",
                            "capture after steps that are all alike");
  }
  if (is_new) {
    const auto options = torch::TensorOptions(torch::kFloat64).device(device);
    clock.rate = torch::full({}, now.rate, options);
    clock.step = torch::full({}, static_cast<double>(now.step.value_or(0)), options);
  } else {
    if (clock.here.rate != now.rate) clock.rate.fill_(now.rate);
    if (!is_next(clock.here, now)) {
      clock.step.fill_(static_cast<double>(*now.step));
    } else if (now.step) {
      clock.step.add_(1.0);
    }
  }
  clock.group = group;
  clock.parameters = parameters;
  clock.here = now;
  return clock;
}

void DeviceClocks::set(const std::function<DeviceTime(const DeviceClock&)>& last) {
  for (DeviceClock& clock : clocks_) {
    const DeviceTime time = last(clock);
    if (clock.here.rate != time.rate) clock.rate.fill_(time.rate);
    if (time.step && clock.here.step != time.step)
      clock.step.fill_(static_cast<double>(*time.step));
    clock.here = time;
  }
}

void DeviceClocks::count() noexcept {
  for (DeviceClock& clock : clocks_)
    if (clock.here.step) ++*clock.here.step;
}

void sgd_on_device(const Tensor& parameter, const Tensor& gradient, const Tensor& velocity,
                   const SgdStep& options, const Tensor& rate) {
  const Tensor minus_rate = rate.neg().to(parameter.scalar_type());
  Tensor slope = gradient;
  if (options.weight_decay != 0.0) slope = gradient.add(parameter, options.weight_decay);
  if (velocity.defined()) {
    if (options.first) {
      velocity.copy_(slope);
    } else {
      velocity.mul_(options.momentum).add_(slope, 1.0 - options.dampening);
    }
    slope = options.nesterov ? slope.add(velocity, options.momentum) : velocity;
  }
  parameter.addcmul_(slope, minus_rate);
}

AdamWNumbers adamw_numbers(const AdamWStep& options, const Tensor& rate, const Tensor& step,
                           torch::ScalarType type) {
  const Tensor correction1 = 1.0 - torch::pow(options.beta1, step);
  const Tensor correction2 = (1.0 - torch::pow(options.beta2, step)).sqrt();
  return {.minus_size = (rate.neg() / correction1).to(type),
          .correction2 = correction2.to(type),
          .kept = (1.0 - rate * options.weight_decay).to(type)};
}

void adamw_on_device(const Tensor& parameter, const Tensor& gradient, const Tensor& mean,
                     const Tensor& square, const Tensor& greatest, const AdamWStep& options,
                     const AdamWNumbers& numbers) {
  mean.mul_(options.beta1).add_(gradient, 1.0 - options.beta1);
  square.mul_(options.beta2).addcmul_(gradient, gradient, 1.0 - options.beta2);
  if (greatest.defined()) greatest.copy_(torch::maximum(greatest, square));
  const Tensor divisor = (greatest.defined() ? greatest : square)
                             .sqrt()
                             .div_(numbers.correction2)
                             .add_(options.epsilon);
  parameter.mul_(numbers.kept).add_(mean.mul(numbers.minus_size).div_(divisor));
}

}  // namespace mutirao::nn::internal
