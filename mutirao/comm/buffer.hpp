#pragma once

// Memory that collectives work on without copying it.
//
// Purpose: Communicator::allocate() gives every rank a Buffer of the same size; collectives then
// read and write all ranks' Buffers where they lie. Requires: no rank reads or writes a part of its
// Buffer between a collective's call on that part and the end of its Work. Guarantees: starts at a
// page; zeroed; on the host unless the group is on GPUs. Thread safety: a handle is a value; the
// bytes are the caller's affair. Ordering: what a rank wrote before its call is seen by the
// collective; what the collective wrote is seen once its Work is done. Lifetime: copies refer to
// the same memory, which goes when the last copy and the last Work on it have; it may outlive its
// Communicator.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "mutirao/comm/data_type.hpp"

namespace mutirao::comm {

namespace internal {
struct BufferMemory;
}

class BufferPart;

class Buffer {
 public:
  Buffer() noexcept = default;
  explicit Buffer(std::shared_ptr<const internal::BufferMemory> memory) noexcept;

  /// This rank's bytes; a device address when on_device().
  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return bytes_; }  ///< in bytes, of one rank
  bool on_device() const noexcept { return on_device_; }

  /// `count` elements from byte `offset` on. Throws InvalidArgument when they lie outside.
  BufferPart part(DataType type, std::size_t count, std::size_t offset = 0) const;
  template <Element T>
  BufferPart part(std::size_t count, std::size_t offset = 0) const;
  /// This rank's bytes as elements, as many as fit.
  template <Element T>
  std::span<T> as() const noexcept {
    return {reinterpret_cast<T*>(data_), bytes_ / sizeof(T)};
  }

  const std::shared_ptr<const internal::BufferMemory>& memory() const noexcept { return memory_; }

 private:
  std::shared_ptr<const internal::BufferMemory> memory_;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  bool on_device_ = false;
};

/// What a collective is called on: elements of a Buffer. Every rank names the same part of the same
/// Buffer.
class BufferPart {
 public:
  BufferPart(Buffer buffer, DataType type, std::size_t count, std::size_t offset) noexcept
      : buffer_(std::move(buffer)), type_(type), count_(count), offset_(offset) {}

  const Buffer& buffer() const noexcept { return buffer_; }
  DataType type() const noexcept { return type_; }
  std::size_t count() const noexcept { return count_; }
  std::size_t offset() const noexcept { return offset_; }  ///< in bytes
  std::size_t bytes() const noexcept { return count_ * size_of(type_); }
  std::byte* data() const noexcept { return buffer_.data() + offset_; }

 private:
  Buffer buffer_;
  DataType type_;
  std::size_t count_;
  std::size_t offset_;
};

template <Element T>
BufferPart Buffer::part(std::size_t count, std::size_t offset) const {
  return part(data_type_of<T>(), count, offset);
}

}  // namespace mutirao::comm
