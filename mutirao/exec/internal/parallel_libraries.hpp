#pragma once

#include <cstddef>

namespace mutirao::exec::internal {

/// In the zygote, before libraries that read them are used: environment variables that keep OpenMP
/// and BLAS to one thread, where the user has not said otherwise.
void default_to_one_thread();

/// In a worker: from now on oneTBB, OpenMP and BLAS use so many threads. Those libraries that the
/// program does not have are left alone.
void limit_library_threads(std::size_t threads);

}  // namespace mutirao::exec::internal
