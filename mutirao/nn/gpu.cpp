#include "mutirao/nn/gpu.hpp"

#include <algorithm>

#include <torch/cuda.h>

#include "mutirao/core/error.hpp"

namespace mutirao::nn {

std::optional<int> own_gpu() {
  return own_gpu(comm::find_world(), static_cast<int>(torch::cuda::device_count()));
}

std::optional<int> own_gpu(const comm::World& world, int visible) noexcept {
  // A launcher that does not say how many ranks are here does not say which of them this is.
  if (world.local_size == 0 && world.size > 1) return std::nullopt;
  if (visible < std::max(world.local_size, 1)) return std::nullopt;
  return world.local_rank;
}

torch::Device device_of(const comm::Communicator& ranks) {
  const std::optional<int> number = ranks.device();
  if (!number) return torch::kCPU;
#ifdef MUTIRAO_HAVE_TORCH_CUDA
  return {torch::kCUDA, static_cast<c10::DeviceIndex>(*number)};
#else
  throw core::Unsupported("the Communicator's buffers are on a GPU, this LibTorch has no CUDA",
                          "build with a LibTorch for CUDA, or set no CommunicatorOptions::device");
#endif
}

}  // namespace mutirao::nn
