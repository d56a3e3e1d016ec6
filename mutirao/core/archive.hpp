#pragma once

// How values become bytes plus attachments, and back.
//
// Purpose: the cereal archives that everything sent to another process goes through. A value is
// written as native-endian bytes; shared memory is not copied into them but attached beside them.
// Blocks of bytes over kLargeBlock, such as the elements of a std::vector<double>, are attached too
// where the sender has a BlockSource: they are copied once when written and once when read.
// Requires: sender and receiver are the same program (checked elsewhere); types have a cereal
// `serialize`, or `save` and `load`. Guarantees: InputArchive never reads past its bytes, and with
// checked lengths never makes room for more values than it has bytes, whatever they hold. Thread
// safety: one object, one thread. Failure: InputArchive throws core::Error(kNotSerializable) when
// the bytes end early. Lifetime: InputArchive does not own the bytes.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <cereal/cereal.hpp>

#include "mutirao/core/error.hpp"
#include "mutirao/core/mapping.hpp"

namespace mutirao::core {

class SharedMemory;

/// Bytes and the shared memory that travels beside them.
struct Payload {
  std::vector<std::byte> bytes;
  std::vector<std::shared_ptr<SharedMemory>> attachments;
};

/// From this size on, in bytes, a block may travel in memory of its own.
inline constexpr std::size_t kLargeBlock = 1 << 20;

/// Gives memory to write large blocks into, which the receiver maps.
class BlockSource {
 public:
  /// At least `bytes` bytes that nobody else uses until the last reference outside of the source is
  /// gone; or null: then the block goes into the payload.
  virtual std::shared_ptr<SharedMemory> take(std::size_t bytes) noexcept = 0;

 protected:
  ~BlockSource() = default;
};

class OutputArchive : public cereal::OutputArchive<OutputArchive, cereal::AllowEmptyClassElision> {
 public:
  /// Appends to `payload`. Without `blocks` there are no attachments but those of attach().
  explicit OutputArchive(Payload& payload, BlockSource* blocks = nullptr)
      : cereal::OutputArchive<OutputArchive, cereal::AllowEmptyClassElision>(this),
        payload_(payload),
        blocks_(blocks) {}

  void write(const void* data, std::size_t size) {
    const auto* first = static_cast<const std::byte*>(data);
    payload_.bytes.insert(payload_.bytes.end(), first, first + size);
  }
  /// As write(), for what the receiver reads with block().
  void write_block(const void* data, std::size_t size);
  /// Returns the number under which the receiver finds the memory.
  std::uint32_t attach(std::shared_ptr<SharedMemory> memory) {
    payload_.attachments.push_back(std::move(memory));
    return static_cast<std::uint32_t>(payload_.attachments.size() - 1);
  }

 private:
  Payload& payload_;
  BlockSource* blocks_;
};

class InputArchive : public cereal::InputArchive<InputArchive, cereal::AllowEmptyClassElision> {
 public:
  /// kChecked: no value may hold more values than there are bytes left; for files.
  enum class Lengths : bool { kAsTold, kChecked };

  InputArchive(std::span<const std::byte> bytes,
               std::span<const std::shared_ptr<SharedMemory>> attachments,
               Lengths lengths = Lengths::kAsTold)
      : cereal::InputArchive<InputArchive, cereal::AllowEmptyClassElision>(this),
        bytes_(bytes),
        attachments_(attachments),
        lengths_(lengths) {}

  void read(void* data, std::size_t size) {
    if (size > bytes_.size()) throw_early_end();
    if (size != 0) std::memcpy(data, bytes_.data(), size);
    bytes_ = bytes_.subspan(size);
  }
  /// The next `size` bytes, which write_block() wrote; where they lie is as good as the archive is.
  std::span<const std::byte> block(std::size_t size);
  std::shared_ptr<SharedMemory> attachment(std::uint32_t number) const {
    if (number >= attachments_.size()) {
      throw Error(ErrorCode::kNotSerializable,
                  "the encoded value names shared memory that did not arrive");
    }
    return attachments_[number];
  }
  std::size_t bytes_left() const noexcept { return bytes_.size(); }
  void check_length(std::uint64_t length) const {
    if (lengths_ == Lengths::kChecked && length > bytes_.size()) {
      throw Error(ErrorCode::kNotSerializable,
                  "an encoded value says that it is longer than it is");
    }
  }
  [[noreturn]] static void throw_early_end() {
    throw Error(ErrorCode::kNotSerializable, "the encoded value ends early");
  }

 private:
  std::span<const std::byte> bytes_;
  std::span<const std::shared_ptr<SharedMemory>> attachments_;
  Lengths lengths_;
};

// What cereal asks of an archive: how to treat arithmetic types, name-value pairs, sizes and blocks
// of bytes.
template <class T>
requires std::is_arithmetic_v<T>
void CEREAL_SAVE_FUNCTION_NAME(OutputArchive& archive, const T& value) {
  archive.write(std::addressof(value), sizeof value);
}
template <class T>
requires std::is_arithmetic_v<T>
void CEREAL_LOAD_FUNCTION_NAME(InputArchive& archive, T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    unsigned char byte = 0;
    archive.read(&byte, 1);
    if (byte > 1) throw Error(ErrorCode::kNotSerializable, "an encoded bool is neither 0 nor 1");
    value = byte != 0;
  } else {
    archive.read(std::addressof(value), sizeof value);
  }
}
template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(OutputArchive& archive, cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}
template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(InputArchive& archive, cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}
template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(OutputArchive& archive, cereal::SizeTag<T>& tag) {
  archive(tag.size);
}
template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(InputArchive& archive, cereal::SizeTag<T>& tag) {
  archive(tag.size);
  archive.check_length(tag.size);
}
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(OutputArchive& archive, const cereal::BinaryData<T>& block) {
  archive.write_block(block.data, static_cast<std::size_t>(block.size));
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(InputArchive& archive, cereal::BinaryData<T>& block) {
  const auto size = static_cast<std::size_t>(block.size);
  const std::span<const std::byte> bytes = archive.block(size);
  if (size != 0) std::memcpy(block.data, bytes.data(), size);
}
/// A large vector is made from where the bytes lie, without clearing its elements first.
template <class T, class Allocator>
requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) void CEREAL_LOAD_FUNCTION_NAME(
    InputArchive& archive, std::vector<T, Allocator>& values) {
  cereal::size_type count = 0;
  archive(cereal::make_size_tag(count));
  if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) InputArchive::throw_early_end();
  const std::span<const std::byte> bytes = archive.block(count * sizeof(T));
  if (bytes.size() < kLargeBlock ||
      reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(T) != 0) {
    values.resize(count);
    if (count != 0) std::memcpy(values.data(), bytes.data(), bytes.size());
    return;
  }
  values.clear();
  values.reserve(count);
  prefer_huge_pages(values.data(), bytes.size());
  const T* const first = reinterpret_cast<const T*>(bytes.data());
  values.assign(first, first + count);
}

}  // namespace mutirao::core

CEREAL_REGISTER_ARCHIVE(mutirao::core::OutputArchive)
CEREAL_REGISTER_ARCHIVE(mutirao::core::InputArchive)
CEREAL_SETUP_ARCHIVE_TRAITS(mutirao::core::InputArchive, mutirao::core::OutputArchive)
