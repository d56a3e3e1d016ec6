#pragma once

#include <memory>

#include "mutirao/comm/internal/host_group.hpp"

namespace mutirao::comm::internal {

struct NcclOptions {
  int rank = 0;
  int size = 1;
  int device = 0;
  void* stream = nullptr;  ///< the caller's cudaStream_t
};

/// Buffers on GPUs; everything else, and the watching of ranks, is done by `host`. Collective.
/// Throws core::Unsupported where there is no GPU, or no NCCL in this build.
std::shared_ptr<Group> open_nccl(std::shared_ptr<HostGroup> host, const NcclOptions& options);

/// Whether NCCL and the CUDA runtime of this build can be loaded and have every function that is
/// called. Throws core::Unsupported, which says what is missing.
void load_nccl();

}  // namespace mutirao::comm::internal
