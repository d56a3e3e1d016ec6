#include "mutirao/core/mapping.hpp"

#include <cerrno>
#include <cstdint>

#include <sys/mman.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"

namespace mutirao::core {

Mapping::Mapping(int fd, std::size_t bytes, Access access, std::size_t offset) {
  if (bytes == 0) return;
  const int protection = access == Access::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
  void* address = ::mmap(nullptr, bytes, protection, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (address == MAP_FAILED)
    throw IoError(fmt::format("cannot map {} bytes", bytes), errno,
                  "raise the limits on memory (ulimit -v, vm.max_map_count)");
  address_ = address;
  bytes_ = bytes;
}

Mapping Mapping::anonymous_shared(std::size_t bytes) {
  Mapping mapping;
  if (bytes == 0) return mapping;
  void* address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) throw IoError(fmt::format("cannot map {} shared bytes", bytes), errno);
  mapping.address_ = address;
  mapping.bytes_ = bytes;
  return mapping;
}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this != &other) {
    reset();
    address_ = std::exchange(other.address_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

void Mapping::reset() noexcept {
  if (address_) ::munmap(std::exchange(address_, nullptr), std::exchange(bytes_, 0));
}

void Mapping::populate() const noexcept {
#ifdef MADV_POPULATE_WRITE
  if (address_) ::madvise(address_, bytes_, MADV_POPULATE_WRITE);
#endif
}

void prefer_huge_pages(void* memory, std::size_t bytes) noexcept {
  constexpr std::size_t kLeast = 8 << 20;
  if (bytes < kLeast) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t begin = (reinterpret_cast<std::uintptr_t>(memory) + page - 1) / page * page;
  const std::uintptr_t end = (reinterpret_cast<std::uintptr_t>(memory) + bytes) / page * page;
  const int saved = errno;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an address, rounded
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
  errno = saved;
}

}  // namespace mutirao::core
