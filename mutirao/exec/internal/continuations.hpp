#pragma once

#include <functional>
#include <memory>

#include "mutirao/exec/internal/backend.hpp"
#include "mutirao/exec/internal/task.hpp"

namespace mutirao::exec::internal {

/// Runs it on Runtime::continuations(), where what follows the end of a task happens: the thread
/// that saw the end may serve a pool, and holds its lock. May be called there; does not throw.
void post_continuation(std::function<void()> body) noexcept;
std::shared_ptr<Backend> continuations_backend();

}  // namespace mutirao::exec::internal
