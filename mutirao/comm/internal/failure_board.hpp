#pragma once

#include <string>

#include "mutirao/comm/error.hpp"
#include "mutirao/comm/internal/box_memory.hpp"

namespace mutirao::comm::internal {

/// What is known of a failure, as it goes from rank to rank.
struct Failure {
  core::ErrorCode code = core::ErrorCode::kRankFailed;
  int rank = -1;
  std::string message;
  std::string hint;
};

/// Throws the class that belongs to the code.
[[noreturn]] void raise(const Failure& failure);

/// The one place of a box where its failure is written down: first come, first kept.
class FailureBoard {
 public:
  explicit FailureBoard(const BoxMemory& memory) noexcept : memory_(memory) {}

  bool failed() const noexcept {
    return memory_.failure().state.load(std::memory_order_acquire) != 0;
  }
  /// Writes it down unless another was first, and wakes everybody. True for the first.
  bool fail(const Failure& failure) const noexcept;
  /// What was written down.
  Failure read() const;
  void throw_if_failed() const {
    if (failed()) raise(read());
  }

 private:
  BoxMemory memory_;
};

}  // namespace mutirao::comm::internal
