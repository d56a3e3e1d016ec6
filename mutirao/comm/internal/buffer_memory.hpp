#pragma once

#include <cstdint>
#include <memory>

#include "mutirao/comm/internal/box_collectives.hpp"

namespace mutirao::comm::internal {

/// What stands behind a Buffer.
struct BufferMemory {
  std::uint32_t number = 0;     ///< the same in all ranks; 0: staging
  const void* group = nullptr;  ///< whose it is
  std::byte* data = nullptr;    ///< this rank's
  std::size_t bytes = 0;        ///< of each rank
  bool on_device = false;
  std::shared_ptr<const Segments> segments;  ///< on the host
  std::shared_ptr<void> device;              ///< on a device: frees it
};

}  // namespace mutirao::comm::internal
