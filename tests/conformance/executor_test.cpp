// What every executor promises, run over all of them.

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "every_executor.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/shared_array.hpp"

namespace mutirao::exec {
namespace {

class ExecutorTest : public EveryExecutorTest {};

INSTANTIATE_TEST_SUITE_P(All, ExecutorTest, ::testing::ValuesIn(kKinds), name_of_kind);

int square(int x) { return x * x; }

struct Scale {
  double factor = 0;
  double operator()(double x) const { return factor * x; }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(factor);
  }
};

TEST_P(ExecutorTest, AFunctionRunsAndItsResultComesBack) {
  const auto executor = make();
  EXPECT_EQ(executor->submit(square, 12).get(), 144);
  EXPECT_EQ(executor->submit(&square, -3).get(), 9);
}

TEST_P(ExecutorTest, ALambdaWithoutCapturesRuns) {
  const auto executor = make();
  EXPECT_EQ(executor->submit([](int a, int b) { return a - b; }, 5, 7).get(), -2);
}

TEST_P(ExecutorTest, ACallableWithSerializeKeepsItsState) {
  const auto executor = make();
  EXPECT_EQ(executor->submit(Scale{2.5}, 4.0).get(), 10.0);
}

TEST_P(ExecutorTest, ATaskMayReturnNothing) {
  const auto executor = make();
  Future<void> future = executor->submit([] {});
  future.get();
  EXPECT_FALSE(future.valid());
}

TEST_P(ExecutorTest, StringsVectorsAndOptionalsTravelBothWays) {
  const auto executor = make();
  const std::vector<std::string> words = {"um", "dois", std::string(100'000, 'x')};
  const auto result = executor
                          ->submit(
                              [](std::vector<std::string> v, const std::optional<int>& n) {
                                v.push_back(std::to_string(n.value_or(-1)));
                                return v;
                              },
                              words, std::optional<int>(7))
                          .get();
  ASSERT_EQ(result.size(), 4u);
  EXPECT_EQ(result[2], words[2]);
  EXPECT_EQ(result[3], "7");
}

TEST_P(ExecutorTest, ManyTasksEachGiveTheirOwnResult) {
  const auto executor = make();
  std::vector<Future<int>> futures;
  for (int i = 0; i < 5000; ++i) futures.push_back(executor->submit(square, i));
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(futures[static_cast<std::size_t>(i)].get(), i * i);
}

TEST_P(ExecutorTest, FuturesMayBeTakenInAnyOrder) {
  const auto executor = make();
  std::vector<Future<int>> futures;
  for (int i = 0; i < 500; ++i) futures.push_back(executor->submit(square, i));
  for (int i = 499; i >= 0; --i) ASSERT_EQ(futures[static_cast<std::size_t>(i)].get(), i * i);
}

TEST_P(ExecutorTest, SeveralThreadsMaySubmitAndWait) {
  const auto executor = make();
  std::atomic<long> sum{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&executor, &sum] {
      for (int i = 0; i < 300; ++i) sum += executor->submit(square, i % 10).get();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum.load(), 4L * 30 * 285);
}

TEST_P(ExecutorTest, MapKeepsTheOrderOfItsItems) {
  const auto executor = make();
  const std::vector<int> squares = executor->map(square, std::views::iota(0, 1000));
  ASSERT_EQ(squares.size(), 1000u);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(squares[static_cast<std::size_t>(i)], i * i);
}

TEST_P(ExecutorTest, MapTakesChunksOfAnySize) {
  const auto executor = make();
  for (const std::size_t chunk : {1u, 3u, 64u, 1000u}) {
    EXPECT_EQ(executor->map(square, std::vector<int>{1, 2, 3, 4, 5}, {.chunk = chunk}),
              (std::vector<int>{1, 4, 9, 16, 25}));
  }
  EXPECT_TRUE(executor->map(square, std::vector<int>{}).empty());
}

TEST_P(ExecutorTest, MapRethrowsTheErrorOfTheFirstItemThatFailed) {
  const auto executor = make();
  const auto picky = [](int x) {
    if (x % 10 == 7) throw std::out_of_range("item " + std::to_string(x));
    return x;
  };
  try {
    executor->map(picky, std::views::iota(0, 100));
    FAIL() << "nothing was thrown";
  } catch (const std::out_of_range& error) {
    EXPECT_STREQ(error.what(), "item 7");
  }
  EXPECT_EQ(executor->submit(square, 3).get(), 9);
}

TEST_P(ExecutorTest, StandardExceptionsArriveAsThemselves) {
  const auto executor = make();
  EXPECT_THROW(executor->submit([] { throw std::invalid_argument("a"); }).get(),
               std::invalid_argument);
  EXPECT_THROW(executor->submit([] { throw std::bad_alloc(); }).get(), std::bad_alloc);
  try {
    executor->submit([] { throw std::system_error(ENOENT, std::generic_category(), "no file"); })
        .get();
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
    EXPECT_STREQ(error.what(), "no file: No such file or directory");
  }
}

TEST_P(ExecutorTest, ErrorsOfThisLibraryKeepTypeMessageHintAndCode) {
  const auto executor = make();
  try {
    executor->submit([] { throw core::InvalidInput("line 7 is odd", "make it even"); }).get();
    FAIL();
  } catch (const core::InvalidInput& error) {
    EXPECT_STREQ(error.what(), "line 7 is odd");
    EXPECT_EQ(error.hint(), "make it even");
  }
  try {
    executor->submit([] { throw core::IoError("cannot write 'x'", ENOSPC, "delete something"); })
        .get();
    FAIL();
  } catch (const core::IoError& error) {
    EXPECT_STREQ(error.what(), "cannot write 'x': No space left on device");
    EXPECT_EQ(error.code(), core::ErrorCode::kOutOfSpace);
    EXPECT_EQ(error.error_number(), ENOSPC);
  }
}

TEST_P(ExecutorTest, CausesTravelWithTheirError) {
  const auto executor = make();
  try {
    executor
        ->submit([] {
          try {
            throw std::out_of_range("index 3");
          } catch (...) {
            std::throw_with_nested(core::InvalidInput("bad table", "fix it"));
          }
        })
        .get();
    FAIL();
  } catch (const core::InvalidInput& error) {
    EXPECT_EQ(core::describe(error), "bad table\n  because: index 3\nhint: fix it");
  }
}

TEST_P(ExecutorTest, ASharedArrayIsReadByTheTask) {
  const auto executor = make();
  core::SharedArray<double> array(100'000);
  std::iota(array.writable().begin(), array.writable().end(), 0.0);
  array.freeze();
  const double sum = executor
                         ->submit(
                             [](const core::SharedArray<double>& a) {
                               return std::accumulate(a.begin(), a.end(), 0.0);
                             },
                             array)
                         .get();
  EXPECT_EQ(sum, 100'000.0 * 99'999.0 / 2);
}

TEST_P(ExecutorTest, ASharedArrayIsAResult) {
  const auto executor = make();
  const auto array = executor
                         ->submit(
                             [](std::size_t n) {
                               core::SharedArray<int> a(n);
                               std::iota(a.writable().begin(), a.writable().end(), 5);
                               return a;
                             },
                             std::size_t{30'000})
                         .get();
  ASSERT_EQ(array.size(), 30'000u);
  EXPECT_EQ(array[0], 5);
  EXPECT_EQ(array[29'999], 30'004);
}

TEST_P(ExecutorTest, ResultsOfEverySizeAroundTheSlotAndTheArenaArriveWhole) {
  const auto executor = make();
  for (const std::size_t size : {0u, 1u, 240u, 247u, 248u, 249u, 255u, 256u, 257u, 262'135u,
                                 262'136u, 262'137u, 262'144u, 1'048'576u, 3'000'000u}) {
    const auto text =
        executor->submit([](const std::string& s) { return s; }, std::string(size, 'a')).get();
    ASSERT_EQ(text, std::string(size, 'a'));
  }
}

TEST_P(ExecutorTest, LargeArgumentsAndResultsOfManyTasksDoNotMix) {
  const auto executor = make();
  std::vector<Future<std::string>> futures;
  for (std::size_t i = 0; i < 60; ++i) {
    futures.push_back(executor->submit([](const std::string& s) { return s + s; },
                                       std::string(30'000 + i, static_cast<char>('a' + i % 26))));
  }
  for (std::size_t i = 0; i < 60; ++i) {
    ASSERT_EQ(futures[i].get(), std::string(2 * (30'000 + i), static_cast<char>('a' + i % 26)));
  }
}

TEST_P(ExecutorTest, ProgressIsSeenAfterTheTaskHasEnded) {
  const auto executor = make();
  Future<void> future = executor->submit([] {
    this_task::report_progress({.done = 1, .total = 4, .stage = 2});
    this_task::report_progress({.done = 3, .total = 4, .stage = 2});
  });
  future.wait();
  EXPECT_EQ(future.progress(), (Progress{.done = 3, .total = 4, .stage = 2}));
}

TEST_P(ExecutorTest, AWaitThatIsTooShortSaysSo) {
  if (kind() == "Inline") GTEST_SKIP() << "nothing ever waits in line";
  const auto executor = make();
  Future<void> slow =
      executor->submit([] { std::this_thread::sleep_for(std::chrono::milliseconds(200)); });
  EXPECT_FALSE(slow.wait_for(std::chrono::milliseconds(1)));
  EXPECT_TRUE(slow.wait_for(std::chrono::seconds(30)));
  EXPECT_TRUE(slow.ready());
  slow.get();
}

TEST_P(ExecutorTest, AnEmptyFutureSaysThatItIsEmpty) {
  const auto executor = make();
  Future<int> future = executor->submit(square, 2);
  EXPECT_TRUE(future.valid());
  future.get();
  EXPECT_FALSE(future.valid());
  EXPECT_THROW(future.get(), core::InvalidArgument);
}

TEST_P(ExecutorTest, AFutureMayOutliveItsExecutor) {
  auto executor = make();
  Future<int> future = executor->submit(square, 9);
  future.wait();
  executor.reset();
  EXPECT_EQ(future.get(), 81);
}

TEST_P(ExecutorTest, DestructionWaitsForWhatRunsAndCancelsWhatIsQueued) {
  if (kind() == "Inline") GTEST_SKIP() << "nothing is ever queued in line";
  auto executor = make(1);
  Future<int> running = executor->submit([] {
    this_task::report_progress({.done = 1, .total = 1, .stage = 0});
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return 1;
  });
  while (running.progress().done == 0) std::this_thread::yield();
  Future<int> queued = executor->submit(square, 3);
  executor.reset();
  EXPECT_EQ(running.get(), 1);
  EXPECT_THROW(queued.get(), Cancelled);
}

/// Says that it runs, then waits to be stopped; gives what it was told to.
int until_stopped(int value) {
  const std::stop_token token = this_task::stop_token();
  this_task::report_progress({.done = 1, .total = 1, .stage = 0});
  while (!token.stop_requested()) std::this_thread::yield();
  return value;
}

template <class R>
void wait_until_it_runs(const Future<R>& future) {
  while (future.progress().done == 0) std::this_thread::yield();
}

TEST_P(ExecutorTest, ACancelledTaskThatHadNotBegunNeverRuns) {
  if (kind() == "Inline") GTEST_SKIP() << "nothing is ever queued in line";
  const auto executor = make(1);
  Future<int> running = executor->submit(until_stopped, 5);
  wait_until_it_runs(running);
  Future<int> queued = executor->submit(square, 3);
  EXPECT_TRUE(queued.cancel());
  EXPECT_FALSE(queued.cancel());
  EXPECT_TRUE(queued.ready());
  EXPECT_THROW(queued.get(), Cancelled);
  running.cancel();
  EXPECT_EQ(running.get(), 5);
}

TEST_P(ExecutorTest, ARunningTaskThatListensEndsWhenCancelled) {
  if (kind() == "Inline") GTEST_SKIP() << "submit returns when it has ended";
  const auto executor = make();
  Future<int> future = executor->submit(until_stopped, 7);
  wait_until_it_runs(future);
  EXPECT_FALSE(future.cancel());
  EXPECT_EQ(future.get(), 7);
  EXPECT_EQ(executor->submit(square, 3).get(), 9);
}

TEST_P(ExecutorTest, CallbacksOfATokenAreCalled) {
  if (kind() == "Inline") GTEST_SKIP() << "submit returns when it has ended";
  const auto executor = make();
  Future<int> future = executor->submit([] {
    std::atomic<int> called{0};
    const std::stop_callback callback(this_task::stop_token(), [&] { called = 41; });
    this_task::report_progress({.done = 1, .total = 1, .stage = 0});
    while (called == 0) std::this_thread::yield();
    return called + 1;
  });
  wait_until_it_runs(future);
  future.cancel();
  EXPECT_EQ(future.get(), 42);
}

TEST_P(ExecutorTest, ARequestToStopReachesTheTaskThatItWasMeantForOnly) {
  const auto executor = make(1);
  for (int i = 0; i < 20; ++i) {
    Future<bool> ended = executor->submit([] { return this_task::stop_token().stop_requested(); });
    ended.wait();
    EXPECT_FALSE(ended.cancel());
    EXPECT_FALSE(ended.get());
  }
}

TEST(StopTokenTest, OutsideATaskNobodyAsks) {
  EXPECT_FALSE(this_task::stop_token().stop_possible());
}

TEST_P(ExecutorTest, AfterShutdownNothingIsAccepted) {
  const auto executor = make();
  EXPECT_EQ(executor->submit(square, 3).get(), 9);
  executor->shutdown();
  EXPECT_THROW((void)executor->submit(square, 3), ExecutorClosed);
  executor->shutdown(Shutdown::kKill);
}

TEST_P(ExecutorTest, ShutdownWaitRunsEverythingFirst) {
  const auto executor = make();
  std::vector<Future<int>> futures;
  for (int i = 0; i < 1000; ++i) futures.push_back(executor->submit(square, i));
  executor->shutdown(Shutdown::kWait);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(futures[static_cast<std::size_t>(i)].ready());
    ASSERT_EQ(futures[static_cast<std::size_t>(i)].get(), i * i);
  }
}

TEST_P(ExecutorTest, ShutdownKillStopsWhatRunsAndCancelsWhatIsQueued) {
  if (kind() == "Inline") GTEST_SKIP() << "submit returns when it has ended";
  const auto executor = make(1);
  Future<int> running = executor->submit(until_stopped, 5);
  wait_until_it_runs(running);
  Future<int> queued = executor->submit(square, 3);
  executor->shutdown(Shutdown::kKill);
  EXPECT_TRUE(running.ready());
  EXPECT_THROW(queued.get(), Cancelled);
}

TEST_P(ExecutorTest, AShutdownThatWaitsCanBeHurried) {
  if (kind() == "Inline") GTEST_SKIP() << "submit returns when it has ended";
  const auto executor = make(1);
  Future<int> running = executor->submit(until_stopped, 5);
  wait_until_it_runs(running);
  std::thread patient([&] { executor->shutdown(Shutdown::kWait); });
  executor->shutdown(Shutdown::kKill);
  patient.join();
  EXPECT_TRUE(running.ready());
}

TEST_P(ExecutorTest, DroppedFuturesLeaveTheirTasksRunning) {
  auto executor = make(1);
  for (int i = 0; i < 300; ++i) (void)executor->submit(square, i);
  EXPECT_EQ(executor->submit(square, 4).get(), 16);
}

TEST_P(ExecutorTest, WorkerCountIsWhatWasAskedFor) {
  EXPECT_EQ(make(3)->worker_count(), kind() == "Inline" ? 1u : 3u);
}

}  // namespace
}  // namespace mutirao::exec
