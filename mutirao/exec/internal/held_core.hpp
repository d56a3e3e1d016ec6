#pragma once

#include <cstddef>

namespace mutirao::exec::internal {

/// The core that the calling thread holds, if any.
bool this_thread_holds_core() noexcept;
/// From now on the calling thread holds this core, which was taken for it.
void adopt_core(std::size_t core) noexcept;
/// Gives the calling thread's core back, if it holds one.
void drop_core() noexcept;

}  // namespace mutirao::exec::internal
