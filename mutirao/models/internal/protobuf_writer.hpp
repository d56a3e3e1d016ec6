#pragma once

// Bytes in the wire format of Protocol Buffers, of which an ONNX file is one message.
//
// A field is a varint, field number times 8 plus wire type, and its value: a varint (type 0), or a
// varint of bytes and as many of them (type 2: text, messages, packed arrays), or a float (type 5).
// Only what ONNX needs is here, and only writing: with it, nobody who builds or runs mutirao needs
// the library, whose size would be a multiple of this program's.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace mutirao::models::internal {

class ProtobufWriter {
 public:
  void number(unsigned field, std::uint64_t value) {
    varint(field << 3);
    varint(value);
  }
  void real(unsigned field, float value) {
    varint(field << 3 | 5U);
    little_endian(std::bit_cast<std::uint32_t>(value));
  }
  void text(unsigned field, std::string_view value) {
    varint(field << 3 | 2U);
    varint(value.size());
    bytes_ += value;
  }

  /// Opens a message or a packed array; end() with what this returns closes it.
  std::size_t begin(unsigned field) {
    varint(field << 3 | 2U);
    bytes_.append(kLengthBytes, '\0');
    return bytes_.size();
  }
  void end(std::size_t begun) {
    // The length is written where room was left for it: a varint may have zeros at its end, so that
    // nothing behind it has to move.
    std::uint64_t length = bytes_.size() - begun;
    for (std::size_t i = kLengthBytes; i-- > 0; length >>= 7)
      bytes_[begun - 1 - i] = static_cast<char>((length & 0x7f) | (i == 0 ? 0 : 0x80));
  }

  /// Elements of a packed array that begin() has opened, or of a tensor's raw bytes.
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  void little_endian(std::uint32_t value) { fixed<4>(value); }
  void little_endian(float value) { fixed<4>(std::bit_cast<std::uint32_t>(value)); }
  void little_endian(double value) { fixed<8>(std::bit_cast<std::uint64_t>(value)); }
  void little_endian(std::int64_t value) { fixed<8>(static_cast<std::uint64_t>(value)); }
  void byte(bool value) { bytes_ += static_cast<char>(value ? 1 : 0); }

  std::size_t size() const noexcept { return bytes_.size(); }
  std::string take() { return std::move(bytes_); }

 private:
  static constexpr std::size_t kLengthBytes = 5;  // up to 2^35

  template <int bytes>
  void fixed(std::uint64_t value) {
    for (int i = 0; i < bytes; ++i) bytes_ += static_cast<char>(value >> (8 * i));
  }

  std::string bytes_;
};

}  // namespace mutirao::models::internal
