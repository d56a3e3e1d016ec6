#include "mutirao/exec/runtime.hpp"

#include <cstddef>

#include <unistd.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/process.hpp"
#include "mutirao/exec/internal/executed_process.hpp"
#include "mutirao/exec/internal/function_id.hpp"
#include "mutirao/exec/internal/spawner.hpp"
#include "mutirao/exec/internal/zygote.hpp"

namespace mutirao::exec {
namespace {

// ThreadSanitizer keeps a thread of its own, which knows about fork.
#if defined(__SANITIZE_THREAD__)
constexpr std::size_t kOwnThreads = 2;
#else
constexpr std::size_t kOwnThreads = 1;
#endif

}  // namespace

Runtime::Runtime(int&, char**) : owner_(::getpid()) {
  internal::serve_if_executed();
  if (exists()) throw core::InvalidArgument("this program already has a Runtime");
  core::raise_file_limit();
  // What is loaded later is in no worker.
  internal::remember_modules();
  if (core::thread_count() > kOwnThreads) start_method_ = StartMethod::kExecute;
  internal::Spawner::use(start_method_ == StartMethod::kFork ? internal::fork_zygote()
                                                             : internal::execute_zygote());
}

Runtime::~Runtime() {
  // In a process that the user forked, the zygote belongs to somebody else.
  if (::getpid() != owner_) return;
  internal::Spawner::shut_down();
}

bool Runtime::exists() noexcept { return internal::Spawner::exists(); }

}  // namespace mutirao::exec
