#include "mutirao/nn/internal/texts.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

namespace mutirao::nn::internal {
namespace {

std::size_t words_for(std::size_t bytes) {
  return (bytes + sizeof(std::int64_t) - 1) / sizeof(std::int64_t);
}

}  // namespace

std::vector<std::string> gather_texts(comm::Communicator& ranks, const std::string& mine) {
  const auto world = static_cast<std::size_t>(ranks.size());
  const std::int64_t own_bytes = static_cast<std::int64_t>(mine.size());
  std::vector<std::int64_t> bytes(world);
  ranks.all_gather(std::span<const std::int64_t>(&own_bytes, 1), std::span<std::int64_t>(bytes))
      .wait();
  const std::size_t words =
      words_for(static_cast<std::size_t>(*std::max_element(bytes.begin(), bytes.end())));
  std::vector<std::string> found(world);
  if (words == 0) return found;
  std::vector<std::int64_t> own(words, 0), all(words * world);
  std::memcpy(own.data(), mine.data(), mine.size());
  ranks.all_gather(std::span<const std::int64_t>(own), std::span<std::int64_t>(all)).wait();
  for (std::size_t rank = 0; rank < world; ++rank) {
    found[rank].assign(reinterpret_cast<const char*>(all.data() + rank * words),
                       static_cast<std::size_t>(bytes[rank]));
  }
  return found;
}

std::string broadcast_text(comm::Communicator& ranks, std::string text) {
  auto bytes = static_cast<std::int64_t>(text.size());
  ranks.broadcast(std::span<std::int64_t>(&bytes, 1), 0).wait();
  if (bytes == 0) return {};
  std::vector<std::int64_t> words(words_for(static_cast<std::size_t>(bytes)), 0);
  if (ranks.rank() == 0) std::memcpy(words.data(), text.data(), text.size());
  ranks.broadcast(std::span<std::int64_t>(words), 0).wait();
  text.assign(reinterpret_cast<const char*>(words.data()), static_cast<std::size_t>(bytes));
  return text;
}

}  // namespace mutirao::nn::internal
