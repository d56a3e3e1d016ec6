#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace mutirao::exec::internal {

/// The core that the calling thread holds, if any.
bool this_thread_holds_core() noexcept;
/// From now on the calling thread holds this core, which was taken for it.
void adopt_core(std::size_t core) noexcept;
/// The core that the calling thread held, if any, which is now the caller's affair.
std::optional<std::size_t> release_core() noexcept;
/// Gives the calling thread's core back, if it holds one.
void drop_core() noexcept;

/// Cores taken for the task that runs in this process, beside that of its thread: for_each uses
/// them first.
void reserve_cores(std::vector<std::size_t> cores);
/// One of them, for a lane; put_back_reserved() ends that.
std::optional<std::size_t> take_reserved_core();
void put_back_reserved(std::size_t core);
void give_back_reserved_cores();

}  // namespace mutirao::exec::internal
