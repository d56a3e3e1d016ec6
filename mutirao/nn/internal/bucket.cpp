#include "mutirao/nn/internal/bucket.hpp"

#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/nn/internal/device_tail.hpp"
#include "mutirao/nn/internal/parameter_kernels.hpp"

namespace mutirao::nn::internal {
namespace {

using torch::Tensor;

/// Copies into `to`, which has the same strides or gets them; whether all values are finite.
bool copy_gradient(const Tensor& to, const Tensor& from, bool look_at_values) {
  const auto count = static_cast<std::size_t>(to.numel());
  if (from.strides() == to.strides() && from.scalar_type() == to.scalar_type()) {
    if (to.scalar_type() == torch::kFloat32) {
      return parameter_kernels<float>(core::instruction_set())
          .copy(to.data_ptr<float>(), from.data_ptr<float>(), count);
    }
    if (to.scalar_type() == torch::kFloat64) {
      return parameter_kernels<double>(core::instruction_set())
          .copy(to.data_ptr<double>(), from.data_ptr<double>(), count);
    }
  }
  to.copy_(from);
  return !look_at_values || torch::isfinite(to).all().item<bool>();
}

bool all_finite(const Tensor& values) {
  const auto count = static_cast<std::size_t>(values.numel());
  if (values.scalar_type() == torch::kFloat32) {
    return parameter_kernels<float>(core::instruction_set())
        .all_finite(values.data_ptr<float>(), count);
  }
  if (values.scalar_type() == torch::kFloat64) {
    return parameter_kernels<double>(core::instruction_set())
        .all_finite(values.data_ptr<double>(), count);
  }
  return torch::isfinite(values).all().item<bool>();
}

bool is_same_memory(const Tensor& a, const Tensor& b) {
  return a.data_ptr() == b.data_ptr() && a.strides() == b.strides();
}

}  // namespace

Tensor tensor_over(const comm::Buffer& memory, std::size_t offset, torch::IntArrayRef sizes,
                   torch::IntArrayRef strides, torch::ScalarType type) {
  return torch::from_blob(
      memory.data() + offset, sizes, strides, [memory](void*) {},
      torch::TensorOptions(type).device(memory.on_device() ? torch::kCUDA : torch::kCPU));
}

comm::DataType data_type_of(torch::ScalarType type, const std::string& name) {
  switch (type) {
    case torch::kFloat32:
      return comm::DataType::kFloat32;
    case torch::kFloat64:
      return comm::DataType::kFloat64;
    case torch::kBFloat16:
      return comm::DataType::kBfloat16;
    default:
      throw core::Unsupported(fmt::format("gradients of type {} cannot be averaged (parameter {})",
                                          c10::toString(type), name),
                              "use float32, float64 or bfloat16 parameters");
  }
}

Bucket::Bucket(comm::Communicator& ranks, std::size_t index,
               const std::vector<Parameter>& parameters)
    : ranks_(&ranks), index_(index), world_(ranks.size()) {
  const torch::ScalarType type = parameters.front().tensor.scalar_type();
  type_ = data_type_of(type, parameters.front().name);
  const std::size_t aligned = kAlignment / comm::size_of(type_);
  std::vector<std::size_t> places;
  for (const Parameter& parameter : parameters) {
    places.push_back(count_);
    count_ +=
        (static_cast<std::size_t>(parameter.tensor.numel()) + aligned - 1) / aligned * aligned;
  }
  const std::size_t tail = static_cast<std::size_t>(world_) * (1 + parameters.size());
  memory_ = ranks.allocate((count_ + tail) * comm::size_of(type_));
  flat_ = tensor_over(memory_, 0, {static_cast<std::int64_t>(count_)}, {1}, type);
  tail_ = tensor_over(memory_, count_ * comm::size_of(type_), {static_cast<std::int64_t>(tail)},
                      {1}, type);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor& tensor = parameters[i].tensor;
    slots_.push_back({.name = parameters[i].name,
                      .parameter = tensor,
                      .gradient = tensor_over(memory_, places[i] * comm::size_of(type_),
                                              tensor.sizes(), tensor.strides(), type)});
  }
}

void Bucket::begin() noexcept {
  missing_ = slots_.size();
  look_at_values_ = false;
  for (Slot& slot : slots_) slot.state = GradientState::kNone;
}

bool Bucket::take(std::size_t index, bool look_at_values) {
  Slot& slot = slots_[index];
  Tensor& gradient = slot.parameter.mutable_grad();
  bool finite = true;
  if (memory_.on_device()) {
    look_at_values_ = look_at_values;
    if (!is_same_memory(gradient, slot.gradient)) {
      slot.gradient.copy_(gradient);
      gradient = slot.gradient;
    }
  } else if (!is_same_memory(gradient, slot.gradient)) {
    finite = copy_gradient(slot.gradient, gradient, look_at_values);
    gradient = slot.gradient;
  } else if (look_at_values) {
    finite = all_finite(slot.gradient);
  }
  slot.state = finite ? GradientState::kFinite : GradientState::kNonFinite;
  return --missing_ == 0;
}

void Bucket::take_rest() {
  for (Slot& slot : slots_) {
    if (slot.state != GradientState::kNone) continue;
    Tensor& gradient = slot.parameter.mutable_grad();
    if (!gradient.defined()) {
      slot.gradient.zero_();
    } else if (!is_same_memory(gradient, slot.gradient)) {
      slot.gradient.copy_(gradient);
    }
  }
  missing_ = 0;
}

void Bucket::zero() {
  begin();
  flat_.zero_();
  missing_ = 0;
}

void Bucket::write_tail(bool active) {
  if (memory_.on_device()) {
    std::vector<Tensor> gradients;
    for (const Slot& slot : slots_)
      gradients.push_back(slot.state == GradientState::kNone ? Tensor() : slot.gradient);
    write_tail_on_device(tail_, ranks_->rank(), active, gradients, look_at_values_);
    return;
  }
  const auto world = static_cast<std::size_t>(world_);
  const auto own = static_cast<std::size_t>(ranks_->rank());
  const auto write = [&]<class T>(T* values) {
    for (std::size_t place = 0; place < world * (slots_.size() + 1); ++place)
      values[place] = T(0.0F);
    values[own] = T(active ? 1.0F : 0.0F);
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      values[world * (i + 1) + own] =
          T(active ? static_cast<float>(static_cast<int>(slots_[i].state)) : 0.0F);
    }
  };
  std::byte* bytes = memory_.data() + count_ * comm::size_of(type_);
  switch (type_) {
    case comm::DataType::kFloat64:
      return write(reinterpret_cast<double*>(bytes));
    case comm::DataType::kBfloat16:
      return write(reinterpret_cast<comm::Bfloat16*>(bytes));
    default:
      return write(reinterpret_cast<float*>(bytes));
  }
}

int Bucket::tail(std::size_t place) const {
  if (memory_.on_device()) {
    return static_cast<int>(
        std::lround(seen_.data_ptr<double>()[place] * static_cast<double>(world_)));
  }
  const std::byte* bytes = memory_.data() + (count_ * comm::size_of(type_));
  const auto read = [&]<class T>(const T* values) {
    return static_cast<int>(std::lround(static_cast<double>(static_cast<float>(values[place])) *
                                        static_cast<double>(world_)));
  };
  switch (type_) {
    case comm::DataType::kFloat64:
      return read(reinterpret_cast<const double*>(bytes));
    case comm::DataType::kBfloat16:
      return read(reinterpret_cast<const comm::Bfloat16*>(bytes));
    default:
      return read(reinterpret_cast<const float*>(bytes));
  }
}

void Bucket::launch(const CommunicationHook& hook, std::size_t bucket_count, bool active) {
  if (hook) {
    launch_tail(active);
    launch_hook(hook, bucket_count);
    return;
  }
  write_tail(active);
  work_ = ranks_->all_reduce(memory_.part(type_, count_ + static_cast<std::size_t>(tail_.numel())),
                             comm::Reduction::kMean);
}

void Bucket::launch_tail(bool active) {
  write_tail(active);
  work_ = ranks_->all_reduce(
      memory_.part(type_, static_cast<std::size_t>(tail_.numel()), count_ * comm::size_of(type_)),
      comm::Reduction::kMean);
}

void Bucket::launch_hook(const CommunicationHook& hook, std::size_t bucket_count) {
  GradientBucket bucket{.index = index_,
                        .count = bucket_count,
                        .gradients = flat_,
                        .part = memory_.part(type_, count_)};
  finish_hook_ = hook(*ranks_, bucket);
}

void Bucket::wait() {
  work_.wait();
  if (const auto finish = std::exchange(finish_hook_, nullptr)) finish();
}

void Bucket::look() {
  if (memory_.on_device()) seen_ = tail_.to(torch::kFloat64).to(torch::kCPU);
}

void Bucket::scale(double factor) { flat_.mul_(factor); }

}  // namespace mutirao::nn::internal
