#pragma once

#include <memory>

#include "mutirao/exec/internal/backend.hpp"
#include "mutirao/exec/internal/task.hpp"

namespace mutirao::exec::internal {

/// Runs every task in start().
std::shared_ptr<Backend> make_inline_backend();
/// Whether the environment asks for that behind every executor (MUTIRAO_EXECUTOR=inline).
bool inline_is_forced();

}  // namespace mutirao::exec::internal
