#pragma once

// The main of test programs that start worker processes.

#include <cstdlib>
#include <thread>

#include <unistd.h>

#include <gtest/gtest.h>

#include "mutirao/exec/runtime.hpp"

namespace mutirao::exec {

/// With MUTIRAO_TEST_THREAD_FIRST a thread exists before the Runtime, so that workers are executed
/// instead of forked.
inline int run_tests(int argc, char** argv) {
  const bool thread_first = std::getenv("MUTIRAO_TEST_THREAD_FIRST") != nullptr;
  if (thread_first) {
    std::thread([] {
      for (;;) ::pause();
    }).detach();
  }
  Runtime runtime(argc, argv);
  const auto expected = thread_first ? Runtime::StartMethod::kExecute : Runtime::StartMethod::kFork;
  if (runtime.start_method() != expected) return 2;
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

}  // namespace mutirao::exec
