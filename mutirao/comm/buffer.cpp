#include "mutirao/comm/buffer.hpp"

#include <fmt/format.h>

#include "mutirao/comm/internal/buffer_memory.hpp"
#include "mutirao/core/error.hpp"

namespace mutirao::comm {

Buffer::Buffer(std::shared_ptr<const internal::BufferMemory> memory) noexcept
    : memory_(std::move(memory)),
      data_(memory_->data),
      bytes_(memory_->bytes),
      on_device_(memory_->on_device) {}

BufferPart Buffer::part(DataType type, std::size_t count, std::size_t offset) const {
  if (offset > bytes_ || count > (bytes_ - offset) / size_of(type))
    throw core::InvalidArgument(
        fmt::format("{} {} from byte {} on do not lie in a buffer of {} bytes", count,
                    name_of(type), offset, bytes_),
        "allocate a larger buffer");
  return {*this, type, count, offset};
}

}  // namespace mutirao::comm
