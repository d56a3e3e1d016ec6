#pragma once

// An array that crosses process boundaries without being copied.
//
// Purpose: arguments and results of tasks that are too large to copy. Filled once, then frozen and
// shared: sending one to a worker, or returning one from a task, passes a descriptor. Requires: T
// is trivially copyable and has no pointers into this process. Guarantees: copies of a SharedArray
// refer to the same elements; data() is 64-byte aligned; new elements are zero. Sending an array
// freezes it; writing to a frozen one throws. Thread safety: as std::span over the same elements.
// Failure: core::IoError when memory or descriptors run out; core::InvalidArgument when a frozen
// array is written.
//
//   core::SharedArray<double> x(1'000'000);
//   for (double& v : x.writable()) v = 1.0;
//   double sum = pool.submit([](core::SharedArray<double> a) { return std::reduce(a.begin(),
//   a.end()); }, x).get();

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "mutirao/core/archive.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/shared_memory.hpp"

namespace mutirao::core {

template <class T>
class SharedArray {
  static_assert(
      std::is_trivially_copyable_v<T>,
      "a SharedArray holds trivially copyable elements: their bytes are shared as they are");

 public:
  using value_type = T;
  using const_iterator = const T*;

  SharedArray() = default;
  /// `size` zeroed elements, writable until frozen.
  explicit SharedArray(std::size_t size)
      : memory_(SharedMemory::allocate(size * sizeof(T))), size_(size) {}
  /// A frozen copy of `values`.
  static SharedArray copy_of(std::span<const T> values) {
    SharedArray array(values.size());
    std::copy(values.begin(), values.end(), array.writable().data());
    array.freeze();
    return array;
  }

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const T* data() const noexcept {
    return memory_ ? reinterpret_cast<const T*>(memory_->data()) : nullptr;
  }
  const T& operator[](std::size_t i) const noexcept { return data()[i]; }
  const_iterator begin() const noexcept { return data(); }
  const_iterator end() const noexcept { return data() + size_; }
  std::span<const T> span() const noexcept { return {data(), size_}; }

  /// The elements, to be written. Throws InvalidArgument once frozen.
  std::span<T> writable() {
    if (!memory_) return {};
    if (memory_->frozen())
      throw InvalidArgument("this shared array is frozen", "write to it before it is sent");
    return {reinterpret_cast<T*>(memory_->data()), size_};
  }
  /// Ends writing. Idempotent; sending does it too.
  void freeze() {
    if (memory_) memory_->freeze();
  }
  bool frozen() const noexcept { return !memory_ || memory_->frozen(); }

  void save(OutputArchive& archive) const {
    archive(static_cast<std::uint64_t>(size_));
    if (size_ == 0) return;
    memory_->freeze();
    archive(archive.attach(memory_));
  }
  void load(InputArchive& archive) {
    std::uint64_t size = 0;
    archive(size);
    size_ = size;
    memory_.reset();
    if (size_ == 0) return;
    std::uint32_t number = 0;
    archive(number);
    memory_ = archive.attachment(number);
    if (memory_->size() / sizeof(T) != size_)
      throw InternalError("a shared array arrived with another length");
  }

 private:
  std::shared_ptr<SharedMemory> memory_;
  std::size_t size_ = 0;
};

}  // namespace mutirao::core
