#include "mutirao/exec/internal/parallel_libraries.hpp"

#include <cstdlib>
#include <optional>

#include <dlfcn.h>
#include <tbb/global_control.h>

namespace mutirao::exec::internal {

void default_to_one_thread() {
  for (const char* name :
       {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"})
    ::setenv(name, "1", 0);
}

void limit_library_threads(std::size_t threads) {
  static std::size_t limit = 0;
  if (threads == limit) return;
  limit = threads;
  static std::optional<tbb::global_control> control;
  control.reset();
  control.emplace(tbb::global_control::max_allowed_parallelism, threads);
  // Whichever is loaded: what it read from the environment may be older than this limit.
  for (const char* name :
       {"omp_set_num_threads", "openblas_set_num_threads", "MKL_Set_Num_Threads"}) {
    if (void* const setter = ::dlsym(RTLD_DEFAULT, name))
      reinterpret_cast<void (*)(int)>(setter)(static_cast<int>(threads));
  }
}

}  // namespace mutirao::exec::internal
