#include "mutirao/nn/internal/device.hpp"

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>

#ifdef MUTIRAO_HAVE_TORCH_CUDA
#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

#include "mutirao/core/error.hpp"

namespace mutirao::nn::internal {

void check_place(const std::string& name, const torch::Tensor& tensor, const torch::Device& there) {
  if (tensor.layout() != torch::kStrided || !tensor.is_non_overlapping_and_dense()) {
    throw core::Unsupported(fmt::format("{} is not dense and cannot be shared with ranks", name),
                            "give it memory of its own: contiguous(), to_dense()");
  }
  if (tensor.device() == there) return;
  if (tensor.is_cuda() && there.is_cpu()) {
    throw core::Unsupported(
        fmt::format("{} is on {}, the Communicator's buffers on the host", name,
                    tensor.device().str()),
        "set CommunicatorOptions::device, and move the model there before it is wrapped");
  }
  throw core::Unsupported(
      fmt::format("{} is on {} and cannot be shared with ranks", name, tensor.device().str()),
      there.is_cpu() ? "train parameters on the CPU, or on a GPU"
                     : fmt::format("move the model to {} before it is wrapped", there.str()));
}

c10::Stream current_stream(const torch::Device& device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

void StreamOrder::begin() { stream_ = current_stream(device_); }

void StreamOrder::join() {
  if (device_.is_cpu()) return;
  const c10::Stream here = current_stream(device_);
  if (here == *stream_) return;
  c10::Event queued(device_.type());
  queued.record(here);
  queued.block(*stream_);
}

#ifdef MUTIRAO_HAVE_TORCH_CUDA

CollectivesOn::CollectivesOn(comm::Communicator& ranks, const c10::Stream& stream) {
  if (!stream.device().is_cuda()) return;
  ranks_ = &ranks;
  before_ = ranks.device_stream();
  ranks.set_device_stream(c10::cuda::CUDAStream(stream).stream());
}

bool is_capturing(const torch::Device& device) {
  if (!device.is_cuda()) return false;
  const c10::cuda::CUDAGuard guard(device);
  return c10::cuda::currentStreamCaptureStatusMayInitCtx() != c10::cuda::CaptureStatus::None;
}

#else

CollectivesOn::CollectivesOn(comm::Communicator&, const c10::Stream&) {}

bool is_capturing(const torch::Device&) { return false; }

#endif

CollectivesOn::~CollectivesOn() {
  if (ranks_ != nullptr) ranks_->set_device_stream(before_);
}

}  // namespace mutirao::nn::internal
