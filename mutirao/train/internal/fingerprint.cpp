#include "mutirao/train/internal/fingerprint.hpp"

#include <cstdint>
#include <memory>
#include <new>
#include <string_view>

#include <fmt/format.h>
#include <xxhash.h>

namespace mutirao::train::internal {
namespace {

class Hash {
 public:
  Hash() : state_(XXH3_createState(), &XXH3_freeState) {
    if (!state_ || XXH3_128bits_reset(state_.get()) == XXH_ERROR) throw std::bad_alloc();
  }
  void add(const void* data, std::size_t bytes) { XXH3_128bits_update(state_.get(), data, bytes); }
  void add(std::uint64_t number) { add(&number, sizeof number); }
  void add(std::string_view text) {
    add(text.size());
    add(text.data(), text.size());
  }
  std::string text() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_.get());
    return fmt::format("xxh3:{:016x}{:016x}", hash.high64, hash.low64);
  }

 private:
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state_;
};

}  // namespace

std::string fingerprint_of(const data::Table& table) {
  Hash hash;
  hash.add(table.rows());
  for (const data::Column& column : table.columns()) {
    hash.add(column.name);
    hash.add(static_cast<std::uint64_t>(column.type));
    hash.add(column.levels.size());
    for (const std::string& level : column.levels) hash.add(level);
    const auto numbers = column.numbers.span();
    const auto codes = column.codes.span();
    hash.add(numbers.data(), numbers.size_bytes());
    hash.add(codes.data(), codes.size_bytes());
  }
  return hash.text();
}

}  // namespace mutirao::train::internal
