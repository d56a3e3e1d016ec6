#pragma once

// A task that runs in another process, and what becomes of any task's outcome.

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "mutirao/core/archive.hpp"
#include "mutirao/exec/internal/backend.hpp"
#include "mutirao/exec/internal/task.hpp"

namespace mutirao::exec::internal {

/// A task that is sent: its encoded call, then its encoded outcome.
class RemoteTask final : public Task {
 public:
  RemoteTask(std::shared_ptr<Backend> backend, OptionsRef options)
      : Task(std::move(backend), std::move(options), true) {}

  core::BlockSource* block_source() const noexcept { return backend().block_source(); }
  bool may_be_tried_again() const noexcept {
    return has_options() && attempts + 1 < options().retry.attempts;
  }

  static constexpr std::uint32_t kNowhere = ~std::uint32_t{0};

  core::Payload request;
  core::Payload reply;
  /// In whose ring the task is now, and its number there; guarded by the backend's mutex.
  std::uint32_t worker = kNowhere;
  std::uint64_t sequence = 0;
  /// When the worker began it; guarded likewise.
  TimePoint began{};
  /// How many attempts have failed; guarded likewise.
  unsigned attempts = 0;
};

/// The value of a finished task, or its exception.
template <class R>
R take_result(Task& task) {
  if (task.error()) rethrow(task.error());
  if (task.remote()) {
    auto& remote = static_cast<RemoteTask&>(task);
    if constexpr (std::is_void_v<R>) {
      return;
    } else {
      core::InputArchive archive(remote.reply.bytes, remote.reply.attachments);
      R value;
      archive(value);
      return value;
    }
  }
  if constexpr (!std::is_void_v<R>) return std::move(*static_cast<LocalTask<R>&>(task).value);
}

}  // namespace mutirao::exec::internal
