#include "mutirao/comm/internal/failure_board.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

namespace mutirao::comm::internal {
namespace {

template <std::size_t kBytes>
void copy_text(const std::string& from, char (&to)[kBytes]) noexcept {
  const std::size_t length = std::min(from.size(), kBytes - 1);
  std::memcpy(to, from.data(), length);
  to[length] = '\0';
}

}  // namespace

void raise(const Failure& failure) {
  switch (failure.code) {
    case core::ErrorCode::kCollectiveTimeout:
      throw CollectiveTimeout(failure.message, failure.rank, failure.hint);
    case core::ErrorCode::kCollectiveMismatch:
      throw CollectiveMismatch(failure.message, failure.rank, failure.hint);
    default:
      throw RankFailed(failure.message, failure.rank, failure.hint);
  }
}

bool FailureBoard::fail(const Failure& failure) const noexcept {
  FailureRecord& record = memory_.failure();
  std::uint32_t none = 0;
  const bool first = record.state.compare_exchange_strong(none, 1, std::memory_order_seq_cst);
  if (first) {
    record.code = static_cast<std::int32_t>(failure.code);
    record.rank = failure.rank;
    copy_text(failure.message, record.message);
    copy_text(failure.hint, record.hint);
    record.state.store(2, std::memory_order_seq_cst);
  }
  memory_.ring_all();
  return first;
}

Failure FailureBoard::read() const {
  const FailureRecord& record = memory_.failure();
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
  while (record.state.load(std::memory_order_acquire) != 2) {
    // Who was writing may have been killed meanwhile.
    if (std::chrono::steady_clock::now() > give_up)
      return {core::ErrorCode::kRankFailed, -1,
              "the group failed, and the rank that noticed ended before it could say why", ""};
    std::this_thread::yield();
  }
  return {static_cast<core::ErrorCode>(record.code), record.rank, record.message, record.hint};
}

}  // namespace mutirao::comm::internal
