#include "mutirao/core/archive.hpp"

#include "mutirao/core/shared_memory.hpp"

namespace mutirao::core {

// A large block begins with one byte: whether the number of an attachment follows, or its bytes.

void OutputArchive::write_block(const void* data, std::size_t size) {
  if (size >= kLargeBlock) {
    std::shared_ptr<SharedMemory> memory = blocks_ != nullptr ? blocks_->take(size) : nullptr;
    const auto attached = static_cast<std::uint8_t>(memory != nullptr);
    write(&attached, sizeof attached);
    if (memory) {
      std::memcpy(memory->data(), data, size);
      const std::uint32_t number = attach(std::move(memory));
      write(&number, sizeof number);
      return;
    }
  }
  write(data, size);
}

std::span<const std::byte> InputArchive::block(std::size_t size) {
  if (size >= kLargeBlock) {
    std::uint8_t attached = 0;
    read(&attached, sizeof attached);
    if (attached != 0) {
      std::uint32_t number = 0;
      read(&number, sizeof number);
      const std::shared_ptr<SharedMemory> memory = attachment(number);
      if (memory->size() < size) throw_early_end();
      return {memory->data(), size};
    }
  }
  if (size > bytes_.size()) throw_early_end();
  const std::span<const std::byte> found = bytes_.first(size);
  bytes_ = bytes_.subspan(size);
  return found;
}

}  // namespace mutirao::core
