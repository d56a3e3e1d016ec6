#pragma once

// A piece of memory that other processes can map, and how it travels to them.
//
// Purpose: what core::SharedArray<T> stands on. Memory is anonymous (memfd): it has no name, so
// nothing is left behind whoever dies. Requires: Linux. Guarantees: the size never changes while
// anybody maps it; after freeze() a process that receives the memory maps it read-only, from a
// descriptor that cannot be made writable again. Thread safety: const members from any thread;
// freeze() by the thread that writes. Ordering: what was written before the memory was sent is
// visible to whoever receives it. Failure: core::IoError when the system refuses memory or
// descriptors. Lifetime: unmapped when the last SharedMemory of this process that refers to it
// goes; the bytes live as long as any process maps them.
//
// Note [Small memory shares a slab]
// A descriptor and a mapping for each small array would soon be more than a process may have. So
// allocate() cuts what is under kSlabbed bytes from a memory file of kSlab bytes, the slab, which
// has one descriptor and one mapping here and one in each receiver. A slab is filled once, from its
// beginning to its end: what was cut from it may be mapped elsewhere for as long as somebody likes,
// and nobody is told when that ends, so its bytes are never given out twice. It goes with the last
// memory that was cut from it: an array that lives long keeps up to kSlab bytes.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "mutirao/core/mapping.hpp"
#include "mutirao/core/unique_fd.hpp"

namespace mutirao::core {

/// An anonymous file of zeros whose size can never change; the name is for who reads
/// /proc/self/maps. Throws IoError.
UniqueFd create_memory_file(std::size_t bytes, const char* name = "mutirao");

/// As create_memory_file, with all of its memory taken now: whoever writes to it later is not
/// killed because memory has run out. Throws IoError (ENOSPC, ENOMEM, EFBIG) when there is not so
/// much.
UniqueFd create_reserved_memory_file(std::size_t bytes);

class SharedMemory {
 public:
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  static constexpr std::size_t kSlabbed = std::size_t{1} << 20;
  static constexpr std::size_t kSlab = std::size_t{4} << 20;

  /// New zeroed, writable memory of `bytes` bytes, 64-byte aligned, with a file of its own. Zero
  /// bytes need no descriptor.
  static std::shared_ptr<SharedMemory> create(std::size_t bytes);
  /// As create(), but what is small shares a file: see Note [Small memory shares a slab].
  static std::shared_ptr<SharedMemory> allocate(std::size_t bytes);
  /// Memory that another process sent: `bytes` bytes at `offset` of the memory file `fd`, mapped
  /// read-only when `frozen`.
  static std::shared_ptr<SharedMemory> open(UniqueFd fd, std::size_t offset, std::size_t bytes,
                                            bool frozen);

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return bytes_; }
  bool frozen() const noexcept { return frozen_; }

  /// Ends writing: receivers map the memory read-only. Idempotent.
  void freeze();

  /// The descriptor to send: read-only once frozen. -1 when empty.
  int descriptor() const noexcept;
  /// Where these bytes start in that file.
  std::size_t offset() const noexcept { return offset_; }

  /// Says that other processes were given this memory: the listener hears when it is gone here.
  void mark_sent() noexcept { sent_.store(true, std::memory_order_relaxed); }
  /// From now on the bytes of what create() and allocate() make and that still exists here are
  /// counted in `total`, and they throw std::bad_alloc rather than count more than `allowed`. Each
  /// is one per program; null counts nothing.
  static void count_in(std::atomic<std::uint64_t>* total) noexcept;
  static void allow(std::uint64_t allowed) noexcept;
  /// Called, by whatever thread, after the last reference to a sent memory went. One per program.
  static void set_release_listener(void (*listener)() noexcept) noexcept;

 private:
  class Slab;
  friend class SlabAllocator;
  SharedMemory() = default;

  std::shared_ptr<Slab> slab_;  // if these bytes are a part of one; then there are no own fds
  UniqueFd fd_;                 // writable; closed by freeze()
  UniqueFd read_only_fd_;       // set by freeze(), or what was received
  Mapping mapping_;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t offset_ = 0;
  bool frozen_ = false;
  bool counted_ = false;
  std::atomic<bool> sent_{false};
};

}  // namespace mutirao::core
