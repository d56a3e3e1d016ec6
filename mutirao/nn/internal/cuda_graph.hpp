#pragma once

// A CUDA graph: work that is recorded once and started by one call.

#include <functional>
#include <memory>

namespace mutirao::nn::internal {

class CudaGraph {
 public:
  /// Throws core::Unsupported where LibTorch has no CUDA.
  CudaGraph();
  ~CudaGraph();
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  /// Records what `work` queues on the current stream, which is not the default one; nothing of it
  /// is done. What `work` throws comes out, and the stream is not recording any more.
  void capture(const std::function<void()>& work);
  /// Queues it on the current stream.
  void replay();

 private:
  struct Graph;
  std::unique_ptr<Graph> graph_;
};

}  // namespace mutirao::nn::internal
