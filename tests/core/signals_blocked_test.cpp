#include "mutirao/core/signals_blocked.hpp"

#include <csignal>
#include <thread>

#include <gtest/gtest.h>

namespace mutirao::core {
namespace {

bool takes(int signal) {
  sigset_t blocked;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  return ::sigismember(&blocked, signal) == 0;
}

TEST(SignalsBlocked, AreForTheThreadThatIsStartedToo) {
  ASSERT_TRUE(takes(SIGINT));
  bool started_takes = true;
  std::thread started;
  {
    const SignalsBlocked blocked;
    EXPECT_FALSE(takes(SIGINT));
    started = std::thread([&] { started_takes = takes(SIGINT) || takes(SIGTERM); });
  }
  started.join();
  EXPECT_FALSE(started_takes);
  EXPECT_TRUE(takes(SIGINT));
}

TEST(SignalsBlocked, WhatWasBlockedBeforeStaysSo) {
  sigset_t usr1;
  sigset_t before;
  ::sigemptyset(&usr1);
  ::sigaddset(&usr1, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &usr1, &before);
  { const SignalsBlocked blocked; }
  EXPECT_FALSE(takes(SIGUSR1));
  EXPECT_TRUE(takes(SIGUSR2));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace
}  // namespace mutirao::core
