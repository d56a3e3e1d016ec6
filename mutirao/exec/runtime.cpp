#include "mutirao/exec/runtime.hpp"

#include <cerrno>
#include <cstdio>
#include <utility>

#include <sys/wait.h>
#include <unistd.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/local_socket.hpp"
#include "mutirao/core/process.hpp"
#include "mutirao/exec/internal/core_words.hpp"
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

Runtime::Runtime(int&, char**) {
  if (exists()) throw core::InvalidArgument("this program already has a Runtime");
  if (core::thread_count() > kOwnThreads) {
    throw core::Unsupported("the Runtime was made after the program had started threads",
                            "make it the first line of main");
  }
  core::raise_file_limit();
  // What is loaded later is in no worker.
  internal::remember_modules();
  // The zygote and all workers inherit the words of the core budget.
  internal::core_words();
  auto [ours, zygotes] = core::LocalSocket::pair();
  const pid_t program = ::getpid();
  std::fflush(nullptr);
  const pid_t process = ::fork();
  if (process < 0) throw core::IoError("cannot start the zygote", errno);
  if (process == 0) {
    ours.close();
    internal::run_zygote(std::move(zygotes), program);
  }
  zygote_ = process;
  owner_ = program;
  internal::Spawner::use(std::move(ours));
}

Runtime::~Runtime() {
  // In a process that the user forked, the zygote belongs to somebody else.
  if (::getpid() != owner_) return;
  internal::Spawner::shut_down();
  while (::waitpid(zygote_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool Runtime::exists() noexcept { return internal::Spawner::exists(); }

}  // namespace mutirao::exec
