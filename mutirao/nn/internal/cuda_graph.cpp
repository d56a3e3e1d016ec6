#include "mutirao/nn/internal/cuda_graph.hpp"

#include "mutirao/core/error.hpp"

#ifdef MUTIRAO_HAVE_TORCH_CUDA

#include <ATen/cuda/CUDAGraph.h>

namespace mutirao::nn::internal {

struct CudaGraph::Graph {
  at::cuda::CUDAGraph graph;
};

CudaGraph::CudaGraph() : graph_(std::make_unique<Graph>()) {}
CudaGraph::~CudaGraph() = default;

void CudaGraph::capture(const std::function<void()>& work) {
  graph_->graph.capture_begin();
  try {
    work();
  } catch (...) {
    try {
      graph_->graph.capture_end();
    } catch (const c10::Error&) {
      // What was recorded so far makes no graph. The first error is the one to tell.
    }
    throw;
  }
  graph_->graph.capture_end();
}

void CudaGraph::replay() { graph_->graph.replay(); }

}  // namespace mutirao::nn::internal

#else

namespace mutirao::nn::internal {

struct CudaGraph::Graph {};

CudaGraph::CudaGraph() {
  throw core::Unsupported("this LibTorch has no CUDA: no step can be captured",
                          "build with a LibTorch for CUDA");
}
CudaGraph::~CudaGraph() = default;

void CudaGraph::capture(const std::function<void()>& work) { work(); }
void CudaGraph::replay() {}

}  // namespace mutirao::nn::internal

#endif
