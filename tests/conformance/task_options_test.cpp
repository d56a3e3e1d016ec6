// What the options of a task promise, over every executor that can keep the promise.

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include <gtest/gtest.h>

#include "every_executor.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/exec/core_budget.hpp"

namespace mutirao::exec {
namespace {

using namespace std::chrono_literals;

class TaskOptionsTest : public EveryExecutorTest {
 protected:
  void SetUp() override {
    file_ = (std::filesystem::temp_directory_path() /
             ("mutirao_attempts_" + std::to_string(::getpid())))
                .string();
    std::filesystem::remove(file_);
  }
  void TearDown() override { std::filesystem::remove(file_); }
  std::string file_;
};

INSTANTIATE_TEST_SUITE_P(All, TaskOptionsTest, ::testing::ValuesIn(kKinds), name_of_kind);

int square(int x) { return x * x; }

/// Says that it runs, then waits to be stopped.
void until_stopped() {
  const std::stop_token token = this_task::stop_token();
  this_task::report_progress({.done = 1, .total = 1, .stage = 0});
  while (!token.stop_requested()) std::this_thread::yield();
}

/// Counts its calls in a file; gives the count once that is `enough`, else throws.
int eventually(const std::string& file, int enough) {
  std::ofstream(file, std::ios::app) << "x";
  const auto calls = static_cast<int>(std::filesystem::file_size(file));
  if (calls < enough) throw std::runtime_error("attempt " + std::to_string(calls));
  return calls;
}

TEST_P(TaskOptionsTest, ATaskPastItsTimeFails) {
  const auto executor = make();
  try {
    executor->submit({.name = "slow", .timeout = 5ms}, until_stopped).get();
    FAIL();
  } catch (const TaskTimeout& error) {
    EXPECT_STREQ(error.what(), "task 'slow' ran past its time of 5 ms");
    EXPECT_EQ(error.timeout(), 5ms);
    EXPECT_EQ(error.code(), core::ErrorCode::kTaskTimeout);
  }
  EXPECT_EQ(executor->submit(square, 3).get(), 9);
}

TEST_P(TaskOptionsTest, ATaskWithinItsTimeIsNotDisturbed) {
  const auto executor = make();
  for (int i = 0; i < 200; ++i)
    ASSERT_EQ(executor->submit({.timeout = 1h}, square, i).get(), i * i);
  EXPECT_EQ(executor->submit({.timeout = std::chrono::nanoseconds::max()}, square, 5).get(), 25);
}

TEST_P(TaskOptionsTest, TheTimeCountsFromTheBeginningOfTheTaskNotFromSubmit) {
  const auto executor = make(1);
  std::vector<Future<void>> futures;
  // Together they take several times the timeout.
  for (int i = 0; i < 10; ++i)
    futures.push_back(executor->submit({.timeout = 2s}, [] { std::this_thread::sleep_for(1ms); }));
  for (auto& future : futures) EXPECT_NO_THROW(future.get());
}

TEST_P(TaskOptionsTest, WhatThrowsIsTriedAgainWhenAskedTo) {
  const auto executor = make();
  const TaskOptions options{.retry = {.attempts = 3, .on = RetryOn::kException}};
  EXPECT_EQ(executor->submit(options, eventually, file_, 3).get(), 3);
}

TEST_P(TaskOptionsTest, WithoutBeingAskedNothingIsTriedAgain) {
  const auto executor = make();
  EXPECT_THROW(executor->submit({.retry = {.attempts = 3}}, eventually, file_, 3).get(),
               std::runtime_error);
  EXPECT_EQ(std::filesystem::file_size(file_), 1u);
}

TEST_P(TaskOptionsTest, AfterTheLastAttemptTheLastErrorRemains) {
  const auto executor = make();
  const TaskOptions options{
      .retry = {.attempts = 3, .on = RetryOn::kAny, .backoff = std::chrono::milliseconds(1)}};
  try {
    executor->submit(options, eventually, file_, 9).get();
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "attempt 3");
  }
}

TEST_P(TaskOptionsTest, ATaskThatWaitsForItsNextAttemptCanBeCancelled) {
  if (kind() == "Inline") GTEST_SKIP() << "submit returns when it has ended";
  const auto executor = make();
  const TaskOptions options{
      .retry = {.attempts = 2, .on = RetryOn::kException, .backoff = std::chrono::hours(1)}};
  Future<int> future = executor->submit(options, eventually, file_, 2);
  while (!std::filesystem::exists(file_)) std::this_thread::yield();
  while (!future.wait_for(1ms)) future.cancel();
  EXPECT_ANY_THROW(future.get());
  EXPECT_EQ(std::filesystem::file_size(file_), 1u);
}

TEST_P(TaskOptionsTest, MapGivesItsOptionsToEveryItem) {
  const auto executor = make();
  const auto odd_ones_hang = [](int x) {
    if (x % 2 != 0) until_stopped();
    return x;
  };
  EXPECT_THROW(executor->map(odd_ones_hang, std::vector<int>{0, 2, 3, 4},
                             {.chunk = 4, .task = {.timeout = 5ms}}),
               TaskTimeout);
}

TEST_P(TaskOptionsTest, AWindowOfOneItemIsEnoughForAMap) {
  const auto executor = make();
  EXPECT_EQ(executor->map(square, std::vector<int>{1, 2, 3}, {.chunk = 8, .window = 1}),
            (std::vector<int>{1, 4, 9}));
}

TEST_P(TaskOptionsTest, HigherPrioritiesBeginFirst) {
  if (kind() == "Inline") GTEST_SKIP() << "nothing is ever queued in line";
  const auto executor = make(1);
  Future<void> first = executor->submit(until_stopped);
  while (first.progress().done == 0) std::this_thread::yield();
  const auto note = [](const std::string& file, const std::string& text) {
    std::ofstream(file, std::ios::app) << text;
  };
  std::vector<Future<void>> futures;
  futures.push_back(executor->submit({.priority = -1}, note, file_, std::string("f")));
  futures.push_back(executor->submit(note, file_, std::string("d")));
  futures.push_back(executor->submit(note, file_, std::string("e")));
  futures.push_back(executor->submit({.priority = 2}, note, file_, std::string("b")));
  futures.push_back(executor->submit({.priority = 7}, note, file_, std::string("a")));
  futures.push_back(executor->submit({.priority = 2}, note, file_, std::string("c")));
  first.cancel();
  for (auto& future : futures) future.get();
  std::string order;
  std::ifstream(file_) >> order;
  EXPECT_EQ(order, "abcdef");
}

TEST_P(TaskOptionsTest, OptionsThatCannotBeAreRefused) {
  const auto executor = make();
  EXPECT_THROW((void)executor->submit({.timeout = -1ms}, square, 1), core::InvalidArgument);
  EXPECT_THROW((void)executor->submit({.retry = {.attempts = 0}}, square, 1),
               core::InvalidArgument);
  EXPECT_THROW((void)executor->submit({.resources = {.cores = 0}}, square, 1),
               core::InvalidArgument);
  EXPECT_EQ(executor->submit(square, 2).get(), 4);
}

TEST(ThreadOptionsTest, AThreadSaysThatItHasNoResourcesOfItsOwn) {
  ThreadExecutor threads({.threads = 1});
  EXPECT_THROW((void)threads.submit({.resources = {.memory_bytes = 1 << 20}}, square, 1),
               core::Unsupported);
  EXPECT_THROW((void)threads.submit({.resources = {.cores = 2}}, square, 1), core::Unsupported);
}

TEST(ThreadOptionsTest, WhatCannotBeCopiedCannotBeTriedAgain) {
  ThreadExecutor threads({.threads = 1});
  auto number = std::make_unique<int>(3);
  EXPECT_THROW((void)threads.submit(
                   {.retry = {.attempts = 2}}, [](const std::unique_ptr<int>& n) { return *n; },
                   std::move(number)),
               core::InvalidArgument);
}

TEST(ThreadOptionsTest, AThreadPastItsTimeIsOccupiedUntilItStops) {
  ThreadExecutor threads({.threads = 1});
  std::atomic<bool> release{false};
  auto deaf = threads.submit({.timeout = 1ms}, [&release] {
    while (!release) std::this_thread::yield();
  });
  EXPECT_THROW(deaf.get(), TaskTimeout);
  auto behind = threads.submit(square, 4);
  EXPECT_FALSE(behind.ready());
  release = true;
  EXPECT_EQ(behind.get(), 16);
}

TEST(CoresTest, ATaskHoldsTheCoresThatItAskedFor) {
  const std::size_t before = CoreBudget::current().cores();
  CoreBudget::current().limit(3);
  {
    ProcessExecutor pool({.workers = 3});
    // Three lanes meet only if the task has three cores.
    const auto lanes_that_meet = [] {
      std::atomic<int> arrived{0};
      CoreBudget::current().for_each(3, [&](std::size_t, std::size_t) {
        ++arrived;
        while (arrived < 3) std::this_thread::yield();
      });
      return arrived.load();
    };
    std::vector<Future<int>> wide;
    std::vector<Future<int>> narrow;
    for (int i = 0; i < 10; ++i) {
      wide.push_back(pool.submit({.resources = {.cores = 3}}, lanes_that_meet));
      narrow.push_back(pool.submit(square, i));
    }
    for (int i = 0; i < 10; ++i) {
      EXPECT_EQ(wide[static_cast<std::size_t>(i)].get(), 3);
      EXPECT_EQ(narrow[static_cast<std::size_t>(i)].get(), i * i);
    }
    EXPECT_THROW((void)pool.submit({.resources = {.cores = 4}}, square, 1), core::InvalidArgument);
  }
  CoreBudget::current().limit(before);
}

}  // namespace
}  // namespace mutirao::exec
