#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "mutirao/exec/internal/task.hpp"

namespace mutirao::exec::internal {

/// Tells in which order tasks end. One thread adds and takes.
class FinishQueue {
 public:
  FinishQueue();
  ~FinishQueue();
  FinishQueue(FinishQueue&&) noexcept = default;
  FinishQueue& operator=(FinishQueue&&) noexcept = default;

  void add(const TaskRef& task);
  /// The number, in the order of add(), of the next task that ended; each is told once. Nothing
  /// when all have been told or the deadline has passed.
  std::optional<std::size_t> next(std::optional<TimePoint> deadline);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
  std::size_t added_ = 0;
  std::size_t told_ = 0;
};

}  // namespace mutirao::exec::internal
