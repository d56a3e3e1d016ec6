#pragma once

#include <cstddef>
#include <utility>

namespace mutirao::core {

/// Owns one mmap()ed range and unmaps it. Move-only; empty by default.
/// Thread safety: the object as a pointer; the bytes are the caller's affair.
class Mapping {
 public:
  enum class Access { kRead, kReadWrite };

  Mapping() noexcept = default;
  /// Maps `bytes` bytes of `fd` from `offset` (a multiple of the page size), shared with everyone
  /// who maps the same file. Zero bytes map nothing. Throws IoError.
  Mapping(int fd, std::size_t bytes, Access access, std::size_t offset = 0);
  /// Zeroed memory shared with the processes that are forked from this one afterwards. Throws
  /// IoError.
  static Mapping anonymous_shared(std::size_t bytes);

  Mapping(Mapping&& other) noexcept
      : address_(std::exchange(other.address_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { reset(); }

  void* data() const noexcept { return address_; }
  std::size_t size() const noexcept { return bytes_; }
  explicit operator bool() const noexcept { return address_ != nullptr; }
  void reset() noexcept;
  /// Enters all pages now, rather than one by one when they are first touched. Does nothing where
  /// the system cannot (before Linux 5.14).
  void populate() const noexcept;

 private:
  void* address_ = nullptr;
  std::size_t bytes_ = 0;
};

/// Asks for huge pages under memory of the heap that is about to be written: each costs one page
/// fault instead of 512. Where there are none, and for little memory, nothing changes.
void prefer_huge_pages(void* memory, std::size_t bytes) noexcept;

}  // namespace mutirao::core
