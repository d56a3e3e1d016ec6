#include "mutirao/exec/thread_executor.hpp"

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/exec/error.hpp"

namespace mutirao::exec {
namespace {

thread_local int prepared = 0;

TEST(ThreadInitializerTest, ItRunsOnceOnEveryThreadBeforeItsTasks) {
  std::atomic<int> calls{0};
  {
    ThreadExecutor threads({.threads = 3, .initializer = [&calls] {
                              prepared = 41;
                              ++calls;
                            }});
    std::vector<Future<int>> futures;
    for (int i = 0; i < 200; ++i) futures.push_back(threads.submit([] { return prepared; }));
    for (auto& future : futures) EXPECT_EQ(future.get(), 41);
  }
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(prepared, 0);
}

TEST(ThreadInitializerTest, AThreadThatStandsInForABlockedOneIsPreparedToo) {
  ThreadExecutor threads({.threads = 1, .initializer = [] { prepared = 41; }});
  std::atomic<bool> ran{false};
  Future<int> outer = threads.submit([&] {
    // Begun elsewhere, so that this thread cannot run it itself.
    Future<int> inner = threads.submit([&ran] {
      ran = true;
      return prepared;
    });
    inner.wait_for(std::chrono::hours(1));
    return inner.get();
  });
  EXPECT_EQ(outer.get(), 41);
  EXPECT_TRUE(ran);
}

TEST(ThreadInitializerTest, WhenItThrowsEveryTaskFailsWithTheReason) {
  ThreadExecutor threads(
      {.threads = 2, .initializer = [] { throw std::runtime_error("no licence"); }});
  std::vector<Future<int>> futures;
  for (int i = 0; i < 20; ++i) futures.push_back(threads.submit([](int x) { return x; }, i));
  for (auto& future : futures) {
    try {
      future.get();
      FAIL();
    } catch (const WorkerInitFailed& error) {
      EXPECT_EQ(core::describe(error),
                "the initializer of the threads fails\n  because: no licence");
    }
  }
  EXPECT_EQ(threads.stats().failed, 20u);
}

}  // namespace
}  // namespace mutirao::exec
