#pragma once

// Keeps signals from threads of our own: they are for the threads of the program.
//
// Guarantees: while one lives, the calling thread takes no signal, and neither does a thread that
// it starts, for as long as that one runs. Thread safety: one object, one thread, which also
// destroys it.
//
//   const core::SignalsBlocked blocked;
//   thread_ = std::thread([this] { work(); });

#include <csignal>

namespace mutirao::core {

class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace mutirao::core
