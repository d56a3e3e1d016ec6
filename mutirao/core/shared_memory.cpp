#include "mutirao/core/shared_memory.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <mutex>
#include <new>
#include <tuple>
#include <unordered_map>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/memory_use.hpp"
#include "mutirao/core/process.hpp"

namespace mutirao::core {
namespace {

UniqueFd reopen_read_only(int fd) {
  const std::string path = fmt::format("/proc/self/fd/{}", fd);
  const int read_only = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (read_only < 0)
    throw IoError("cannot reopen shared memory read-only", errno, "is /proc mounted?");
  return UniqueFd(read_only);
}

std::atomic<void (*)() noexcept> release_listener{nullptr};
std::atomic<std::atomic<std::uint64_t>*> counter{nullptr};
std::atomic<std::uint64_t> allowed_bytes{std::numeric_limits<std::uint64_t>::max()};

/// Counts the bytes; false when nobody wants them counted.
bool count(std::size_t bytes) {
  std::atomic<std::uint64_t>* const total = counter.load(std::memory_order_acquire);
  if (total == nullptr) return false;
  const std::uint64_t before = total->fetch_add(bytes, std::memory_order_relaxed);
  const std::uint64_t allowed = allowed_bytes.load(std::memory_order_relaxed);
  if (before <= allowed && bytes <= allowed - before) return true;
  total->fetch_sub(bytes, std::memory_order_relaxed);
  throw std::bad_alloc();
}

}  // namespace

/// A memory file with one descriptor and one mapping in this process, for all that lies in it.
class SharedMemory::Slab {
 public:
  /// A new one, to cut from.
  Slab() : fd_(create_memory_file(kSlab)), forks_(fork_count()) {
    mapping_ = Mapping(fd_.get(), kSlab, Mapping::Access::kReadWrite);
  }
  /// One that another process cuts from.
  Slab(UniqueFd fd, std::size_t bytes) : read_only_(std::move(fd)) {
    mapping_ = Mapping(read_only_.get(), bytes, Mapping::Access::kRead);
  }

  std::byte* data() const noexcept { return static_cast<std::byte*>(mapping_.data()); }
  std::size_t size() const noexcept { return mapping_.size(); }
  int descriptor() const noexcept { return fd_.get(); }
  int read_only() const noexcept { return read_only_.get(); }

  /// Where the next `bytes` bytes are, or kFull; also in a copy that a forked process has, whose
  /// bytes the other goes on cutting.
  static constexpr std::size_t kFull = ~std::size_t{0};
  std::size_t cut(std::size_t bytes) noexcept {
    constexpr std::size_t kAlignment = 64;
    if (forks_ != fork_count() || bytes > kSlab - used_) return kFull;
    const std::size_t at = used_;
    used_ = std::min(kSlab, (used_ + bytes + kAlignment - 1) / kAlignment * kAlignment);
    return at;
  }
  void make_read_only() {
    if (!read_only_) read_only_ = reopen_read_only(fd_.get());
  }

 private:
  UniqueFd fd_;
  UniqueFd read_only_;  // what receivers get
  Mapping mapping_;
  std::size_t used_ = 0;
  std::uint32_t forks_ = 0;
};

/// The slab that is being filled, and those of other processes that are mapped here. It holds none
/// of them: they live as long as what lies in them.
class SlabAllocator {
 public:
  using Slab = SharedMemory::Slab;

  static SlabAllocator& current() {
    // Never destroyed: arrays may outlive static objects.
    static auto* const allocator = new SlabAllocator;
    return *allocator;
  }

  /// A part of the slab that is being filled, or of a new one.
  std::pair<std::shared_ptr<Slab>, std::size_t> cut(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<Slab> slab = filling_.lock();
    std::size_t at = slab ? slab->cut(bytes) : Slab::kFull;
    if (at == Slab::kFull) {
      slab = std::make_shared<Slab>();
      at = slab->cut(bytes);
      filling_ = slab;
    }
    return {std::move(slab), at};
  }

  void make_read_only(Slab& slab) {
    const std::lock_guard lock(mutex_);
    slab.make_read_only();
  }

  /// The file behind `fd`, which holds small memory; null when it is no slab.
  std::shared_ptr<Slab> received(UniqueFd& fd) {
    struct stat file {};
    if (::fstat(fd.get(), &file) != 0 || file.st_size != SharedMemory::kSlab) return nullptr;
    const std::lock_guard lock(mutex_);
    std::weak_ptr<Slab>& known = received_[file.st_ino];
    std::shared_ptr<Slab> slab = known.lock();
    if (!slab) {
      slab = std::make_shared<Slab>(std::move(fd), SharedMemory::kSlab);
      known = slab;
      std::erase_if(received_, [](const auto& each) { return each.second.expired(); });
    }
    return slab;
  }

 private:
  std::mutex mutex_;
  std::weak_ptr<Slab> filling_;
  std::unordered_map<ino_t, std::weak_ptr<Slab>> received_;
};

UniqueFd create_memory_file(std::size_t bytes, const char* name) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd)
    throw IoError("cannot create shared memory", errno,
                  errno == EMFILE || errno == ENFILE
                      ? "raise the limit on open files (ulimit -n)"
                      : "allow this process memfd_create (a seccomp filter may refuse it)");
  if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0)
    throw IoError(fmt::format("cannot size shared memory to {} bytes", bytes), errno,
                  "ask for less, or raise the limit on the size of files (ulimit -f)");
  // A receiver's ftruncate would be a SIGBUS for everybody else.
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
    throw IoError("cannot seal shared memory", errno);
  return fd;
}

UniqueFd create_reserved_memory_file(std::size_t bytes) {
  const auto refuse = [bytes](int error_number) {
    throw IoError(fmt::format("cannot reserve {} bytes of shared memory", bytes), error_number,
                  "ask for less, or end other programs that use memory");
  };
  // Asked for more than there is, the kernel would kill somebody before it says no.
  if (bytes > available_memory()) refuse(ENOSPC);
  UniqueFd fd = create_memory_file(bytes);
  int error = 0;
  do {
    error = bytes == 0 ? 0 : ::posix_fallocate(fd.get(), 0, static_cast<off_t>(bytes));
  } while (error == EINTR);
  if (error != 0) refuse(error);
  return fd;
}

SharedMemory::~SharedMemory() {
  if (counted_)
    counter.load(std::memory_order_acquire)->fetch_sub(bytes_, std::memory_order_relaxed);
  if (!sent_.load(std::memory_order_relaxed)) return;
  if (auto* const listener = release_listener.load(std::memory_order_acquire)) listener();
}

void SharedMemory::count_in(std::atomic<std::uint64_t>* total) noexcept {
  counter.store(total, std::memory_order_release);
}

void SharedMemory::allow(std::uint64_t allowed) noexcept {
  allowed_bytes.store(allowed, std::memory_order_relaxed);
}

void SharedMemory::set_release_listener(void (*listener)() noexcept) noexcept {
  release_listener.store(listener, std::memory_order_release);
}

std::shared_ptr<SharedMemory> SharedMemory::create(std::size_t bytes) {
  std::shared_ptr<SharedMemory> memory(new SharedMemory);
  memory->bytes_ = bytes;
  if (bytes == 0) return memory;
  memory->counted_ = count(bytes);
  memory->fd_ = create_memory_file(bytes);
  memory->mapping_ = Mapping(memory->fd_.get(), bytes, Mapping::Access::kReadWrite);
  memory->data_ = static_cast<std::byte*>(memory->mapping_.data());
  return memory;
}

std::shared_ptr<SharedMemory> SharedMemory::allocate(std::size_t bytes) {
  if (bytes == 0 || bytes >= kSlabbed) return create(bytes);
  std::shared_ptr<SharedMemory> memory(new SharedMemory);
  memory->bytes_ = bytes;
  memory->counted_ = count(bytes);
  std::tie(memory->slab_, memory->offset_) = SlabAllocator::current().cut(bytes);
  memory->data_ = memory->slab_->data() + memory->offset_;
  return memory;
}

int SharedMemory::descriptor() const noexcept {
  if (slab_) return frozen_ ? slab_->read_only() : slab_->descriptor();
  return frozen_ ? read_only_fd_.get() : fd_.get();
}

std::shared_ptr<SharedMemory> SharedMemory::open(UniqueFd fd, std::size_t offset, std::size_t bytes,
                                                 bool frozen) {
  std::shared_ptr<SharedMemory> memory(new SharedMemory);
  memory->bytes_ = bytes;
  memory->offset_ = offset;
  memory->frozen_ = frozen;
  if (bytes == 0) return memory;
  if (frozen && bytes < kSlabbed && offset <= kSlab - bytes) {
    memory->slab_ = SlabAllocator::current().received(fd);
    if (memory->slab_) {
      memory->data_ = memory->slab_->data() + offset;
      return memory;
    }
  }
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t start = offset / page * page;
  const std::size_t lead = offset - start;
  memory->mapping_ = Mapping(fd.get(), lead + bytes,
                             frozen ? Mapping::Access::kRead : Mapping::Access::kReadWrite, start);
  memory->data_ = static_cast<std::byte*>(memory->mapping_.data()) + lead;
  (frozen ? memory->read_only_fd_ : memory->fd_) = std::move(fd);
  return memory;
}

void SharedMemory::freeze() {
  if (frozen_) return;
  if (slab_) {
    SlabAllocator::current().make_read_only(*slab_);
  } else if (bytes_ > 0) {
    read_only_fd_ = reopen_read_only(fd_.get());
    fd_.reset();
  }
  frozen_ = true;
}

}  // namespace mutirao::core
