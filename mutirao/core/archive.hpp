#pragma once

// How values become bytes plus attachments, and back.
//
// Purpose: the cereal archives that everything sent to another process goes through. A value is
// written as native-endian bytes; shared memory is not copied into them but attached beside them.
// Requires: sender and receiver are the same program (checked elsewhere); types have a cereal
// `serialize`, or `save` and `load`. Guarantees: InputArchive never reads past its bytes, whatever
// they hold. Thread safety: one object, one thread. Failure: InputArchive throws
// core::Error(kNotSerializable) when the bytes end early. Lifetime: InputArchive does not own the
// bytes.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <cereal/cereal.hpp>

#include "mutirao/core/error.hpp"

namespace mutirao::core {

class SharedMemory;

/// Bytes and the shared memory that travels beside them.
struct Payload {
  std::vector<std::byte> bytes;
  std::vector<std::shared_ptr<SharedMemory>> attachments;
};

class OutputArchive : public cereal::OutputArchive<OutputArchive, cereal::AllowEmptyClassElision> {
 public:
  /// Appends to `payload`.
  explicit OutputArchive(Payload& payload)
      : cereal::OutputArchive<OutputArchive, cereal::AllowEmptyClassElision>(this),
        payload_(payload) {}

  void write(const void* data, std::size_t size) {
    const auto* first = static_cast<const std::byte*>(data);
    payload_.bytes.insert(payload_.bytes.end(), first, first + size);
  }
  /// Returns the number under which the receiver finds the memory.
  std::uint32_t attach(std::shared_ptr<SharedMemory> memory) {
    payload_.attachments.push_back(std::move(memory));
    return static_cast<std::uint32_t>(payload_.attachments.size() - 1);
  }

 private:
  Payload& payload_;
};

class InputArchive : public cereal::InputArchive<InputArchive, cereal::AllowEmptyClassElision> {
 public:
  InputArchive(std::span<const std::byte> bytes,
               std::span<const std::shared_ptr<SharedMemory>> attachments)
      : cereal::InputArchive<InputArchive, cereal::AllowEmptyClassElision>(this),
        bytes_(bytes),
        attachments_(attachments) {}

  void read(void* data, std::size_t size) {
    if (size > bytes_.size())
      throw Error(ErrorCode::kNotSerializable, "the encoded value ends early");
    if (size != 0) std::memcpy(data, bytes_.data(), size);
    bytes_ = bytes_.subspan(size);
  }
  std::shared_ptr<SharedMemory> attachment(std::uint32_t number) const {
    if (number >= attachments_.size()) {
      throw Error(ErrorCode::kNotSerializable,
                  "the encoded value names shared memory that did not arrive");
    }
    return attachments_[number];
  }
  std::size_t bytes_left() const noexcept { return bytes_.size(); }

 private:
  std::span<const std::byte> bytes_;
  std::span<const std::shared_ptr<SharedMemory>> attachments_;
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
  archive.read(std::addressof(value), sizeof value);
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
}
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(OutputArchive& archive, const cereal::BinaryData<T>& block) {
  archive.write(block.data, static_cast<std::size_t>(block.size));
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(InputArchive& archive, cereal::BinaryData<T>& block) {
  archive.read(block.data, static_cast<std::size_t>(block.size));
}

}  // namespace mutirao::core

CEREAL_REGISTER_ARCHIVE(mutirao::core::OutputArchive)
CEREAL_REGISTER_ARCHIVE(mutirao::core::InputArchive)
CEREAL_SETUP_ARCHIVE_TRAITS(mutirao::core::InputArchive, mutirao::core::OutputArchive)
