#pragma once

// What a rank writes, cut into lines.

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

namespace mutirao::launch::internal {

/// Cuts bytes into lines; a line that grows too long is given in pieces.
class LineSplitter {
 public:
  static constexpr std::size_t kLongest = std::size_t{64} << 10;
  using Take = std::function<void(std::string_view line)>;

  void append(std::string_view bytes, const Take& take);
  /// What came after the last end of line.
  void finish(const Take& take);

 private:
  std::string rest_;
};

/// The last lines of a stream.
class Tail {
 public:
  static constexpr std::size_t kLines = 20;
  static constexpr std::size_t kBytesPerLine = 1000;

  void add(std::string_view line);
  /// The lines, each with its end.
  std::string text() const;

 private:
  std::deque<std::string> lines_;
};

}  // namespace mutirao::launch::internal
