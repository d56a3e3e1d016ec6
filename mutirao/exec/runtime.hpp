#pragma once

// What a program that starts worker processes has on the first line of main.
//
// Purpose: starts the zygote, a small process from which every worker is forked: no exec, no
// reload of libraries, about 0.1 ms each. Requires: the first line of main; one per program.
// Guarantees: workers see the program as it was at this line: memory that main fills later is not
// there (pass it as arguments). When the program ends, however it ends, the zygote and every worker
// end too. Ctrl-C reaches the program only.
// A program with threads cannot be forked. If any exist at this line, each worker is this program's
// file, executed anew with the same arguments: it costs milliseconds, and main runs in it as far as
// this line (what it prints on standard output until there goes nowhere). The same happens when
// the zygote was killed. A worker that finds one of the program's files changed does not serve.
// Thread safety: constructed and destroyed by main's thread. Failure: core::InvalidArgument for a
// second Runtime, core::IoError when the system refuses a process, core::Unsupported when the
// program cannot be executed. Lifetime: destroy executors first; the destructor ends the zygote.
//
//   int main(int argc, char** argv) {
//     mutirao::exec::Runtime runtime(argc, argv);
//     ...
//   }

#include <sys/types.h>

namespace mutirao::exec {

class Executor;

class Runtime {
 public:
  Runtime(int& argc, char** argv);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// How workers come into being.
  enum class StartMethod { kFork, kExecute };
  StartMethod start_method() const noexcept { return start_method_; }

  /// Whether a Runtime exists, here or, in a worker, in the program that started it.
  static bool exists() noexcept;

  /// Where what follows a task happens that names no executor of its own: coroutines go on there
  /// after co_await, and values of dependencies are encoded there. One per program, on threads; it
  /// needs no Runtime and is never shut down.
  static Executor& continuations();

 private:
  const pid_t owner_;  // the process that made this object
  StartMethod start_method_ = StartMethod::kFork;
};

}  // namespace mutirao::exec
