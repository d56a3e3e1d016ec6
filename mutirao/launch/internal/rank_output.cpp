#include "mutirao/launch/internal/rank_output.hpp"

#include <utility>

namespace mutirao::launch::internal {

void LineSplitter::append(std::string_view bytes, const Take& take) {
  for (;;) {
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) break;
    if (rest_.empty()) {
      take(bytes.substr(0, end));
    } else {
      rest_.append(bytes.substr(0, end));
      take(std::exchange(rest_, {}));
    }
    bytes.remove_prefix(end + 1);
  }
  rest_.append(bytes);
  while (rest_.size() >= kLongest) {
    take(std::string_view(rest_).substr(0, kLongest));
    rest_.erase(0, kLongest);
  }
}

void LineSplitter::finish(const Take& take) {
  if (!rest_.empty()) take(std::exchange(rest_, {}));
}

void Tail::add(std::string_view line) {
  lines_.emplace_back(line.substr(0, kBytesPerLine));
  if (lines_.size() > kLines) lines_.pop_front();
}

std::string Tail::text() const {
  std::string text;
  for (const std::string& line : lines_) text += line + '\n';
  return text;
}

}  // namespace mutirao::launch::internal
