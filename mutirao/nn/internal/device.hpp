#pragma once

// Where the tensors of a training are: on the host, or on one GPU.
//
// A GPU does what it is told stream by stream. LibTorch has a current stream in each thread; what a
// collective reads must have been queued before it there, and what is queued behind it must wait.

#include <optional>
#include <string>

#include <c10/core/Stream.h>
#include <torch/types.h>

#include "mutirao/comm/communicator.hpp"

namespace mutirao::nn::internal {

/// Throws core::Unsupported unless a tensor is dense, and there.
void check_place(const std::string& name, const torch::Tensor& tensor, const torch::Device& there);

/// LibTorch's current stream of this thread on that device. On the host there is one.
c10::Stream current_stream(const torch::Device& device);

/// The stream of the GPU that work of several threads is put in order on.
class StreamOrder {
 public:
  explicit StreamOrder(const torch::Device& device) : device_(device) {}
  /// From now on it is the current stream of this thread.
  void begin();
  /// It waits for what this thread has queued on its own current stream.
  void join();
  /// begin() has been called.
  c10::Stream stream() const { return *stream_; }

 private:
  torch::Device device_;
  std::optional<c10::Stream> stream_;
};

/// While it lives, collectives on Buffers are ordered by that stream.
class CollectivesOn {
 public:
  CollectivesOn(comm::Communicator& ranks, const c10::Stream& stream);
  ~CollectivesOn();
  CollectivesOn(const CollectivesOn&) = delete;
  CollectivesOn& operator=(const CollectivesOn&) = delete;

 private:
  comm::Communicator* ranks_ = nullptr;  // with a GPU
  void* before_ = nullptr;
};

/// Whether the current stream records a graph instead of computing: then nothing can be looked at.
bool is_capturing(const torch::Device& device);

}  // namespace mutirao::nn::internal
