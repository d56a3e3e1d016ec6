// What follows the end of a task: then, dependencies, shared futures, waiting for several,
// coroutines; over all executors.

#include <atomic>
#include <chrono>
#include <memory>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "every_executor.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/exec/coroutine.hpp"
#include "mutirao/exec/runtime.hpp"
#include "mutirao/exec/wait.hpp"

namespace mutirao::exec {
namespace {

using namespace std::chrono_literals;

class ContinuationTest : public EveryExecutorTest {};

INSTANTIATE_TEST_SUITE_P(All, ContinuationTest, ::testing::ValuesIn(kKinds), name_of_kind);

int square(int x) { return x * x; }
int add(int a, int b) { return a + b; }
int refuse(int) { throw std::out_of_range("no"); }

void until_stopped() {
  const std::stop_token token = this_task::stop_token();
  this_task::report_progress({.done = 1, .total = 1, .stage = 0});
  while (!token.stop_requested()) std::this_thread::yield();
}

TEST_P(ContinuationTest, ThenRunsOnTheExecutorThatWasNamed) {
  const auto executor = make();
  InlineExecutor here;
  EXPECT_EQ(executor->submit(square, 3).then(*executor, square).get(), 81);
  EXPECT_EQ(executor->submit(square, 3).then(here, [](int x) { return x + 1; }).get(), 10);
  EXPECT_EQ(executor->submit([] {}).then(*executor, [] { return 5; }).get(), 5);
}

TEST_P(ContinuationTest, ChainsMayBeLong) {
  const auto executor = make();
  Future<int> value = executor->submit([] { return 0; });
  for (int i = 0; i < 500; ++i)
    value = std::move(value).then(*executor, [](int x) { return x + 1; });
  EXPECT_EQ(value.get(), 500);
}

TEST_P(ContinuationTest, AFutureIsAnArgument) {
  const auto executor = make();
  Future<int> a = executor->submit(square, 3);
  Future<int> b = executor->submit(square, 4);
  EXPECT_EQ(executor->submit(add, std::move(a), std::move(b)).get(), 25);
  EXPECT_EQ(executor->submit({.name = "mixed"}, add, executor->submit(square, 5), 1).get(), 26);
}

TEST_P(ContinuationTest, AnArgumentMayComeFromAnotherExecutor) {
  const auto executor = make();
  ThreadExecutor threads({.threads = 1});
  EXPECT_EQ(executor->submit(add, threads.submit(square, 2), executor->submit(square, 3)).get(),
            13);
}

TEST_P(ContinuationTest, AFailedDependencyIsTheCause) {
  const auto executor = make();
  Future<int> bad = executor->submit({.name = "first"}, refuse, 1);
  try {
    executor->submit({.name = "second"}, square, std::move(bad)).get();
    FAIL();
  } catch (const DependencyFailed& error) {
    EXPECT_EQ(core::describe(error),
              "task 'second' cannot run: task 'first' failed\n  because: no");
  }
}

TEST_P(ContinuationTest, ATaskThatWaitsForItsArgumentsCanBeCancelled) {
  if (kind() == "Inline") GTEST_SKIP() << "nothing ever waits in line";
  const auto executor = make();
  Future<void> first = executor->submit(until_stopped);
  while (first.progress().done == 0) std::this_thread::yield();
  SharedFuture<void> shared = std::move(first).share();
  Future<int> second = executor->submit([] { return 1; }, shared);
  EXPECT_TRUE(second.cancel());
  EXPECT_THROW(second.get(), Cancelled);
  shared.cancel();
  shared.get();
}

TEST_P(ContinuationTest, ADependentOfAnExecutorThatWasShutDownFails) {
  if (kind() == "Inline") GTEST_SKIP() << "nothing ever waits in line";
  const auto first_executor = make();
  const auto second_executor = make();
  SharedFuture<void> first = first_executor->submit(until_stopped).share();
  while (first.progress().done == 0) std::this_thread::yield();
  Future<int> second = second_executor->submit([] { return 1; }, first);
  second_executor->shutdown();
  first.cancel();
  EXPECT_THROW(second.get(), ExecutorClosed);
}

TEST_P(ContinuationTest, ManyMayReadASharedFuture) {
  const auto executor = make();
  const SharedFuture<std::string> shared =
      executor->submit([](int n) { return std::string(static_cast<std::size_t>(n), 'x'); }, 1000)
          .share();
  std::vector<std::thread> threads;
  std::atomic<std::size_t> total{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&total, shared] { total += shared.get().size() + shared.get().size(); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(total.load(), 8000u);
  std::vector<Future<std::size_t>> sizes;
  for (int i = 0; i < 10; ++i)
    sizes.push_back(executor->submit([](const std::string& s) { return s.size(); }, shared));
  for (auto& size : sizes) EXPECT_EQ(size.get(), 1000u);
  EXPECT_THROW(SharedFuture<int>().get(), core::InvalidArgument);
}

TEST_P(ContinuationTest, ASharedFailureIsThrownEachTime) {
  const auto executor = make();
  const SharedFuture<int> shared = executor->submit(refuse, 1).share();
  EXPECT_THROW(shared.get(), std::out_of_range);
  EXPECT_THROW(shared.get(), std::out_of_range);
}

TEST_P(ContinuationTest, FuturesComeOutAsTheyComplete) {
  const auto executor = make();
  std::vector<Future<int>> futures;
  for (int i = 0; i < 300; ++i) futures.push_back(executor->submit(square, i));
  std::set<std::size_t> seen;
  for (auto& [index, future] : as_completed(std::move(futures))) {
    EXPECT_TRUE(future.ready());
    const int i = static_cast<int>(index);
    EXPECT_EQ(future.get(), i * i);
    seen.insert(index);
  }
  EXPECT_EQ(seen.size(), 300u);
}

TEST_P(ContinuationTest, ATaskBehindWhichAnotherRunsIsSeenToComplete) {
  if (kind() == "Inline") GTEST_SKIP() << "submit returns when it has ended";
  const auto executor = make(1);
  // Short ones first, so that several are handed out at a time.
  for (int i = 0; i < 100; ++i) executor->submit(square, i).get();
  std::vector<Future<void>> futures;
  futures.push_back(executor->submit([] {}));
  futures.push_back(executor->submit(until_stopped));
  EXPECT_EQ(wait_any(futures), 0u);
  EXPECT_FALSE(wait_any_for(std::vector<SharedFuture<void>>{}, 1ms));
  EXPECT_FALSE(wait_all_for(futures, 1ms));
  while (futures[1].progress().done == 0) std::this_thread::yield();
  futures[1].cancel();
  wait_all(futures);
  EXPECT_TRUE(futures[1].ready());
}

TEST_P(ContinuationTest, TasksMayWaitForOneOfSeveral) {
  ThreadExecutor threads({.threads = 1});
  // The one thread waits; another takes its place.
  EXPECT_EQ(threads
                .submit([&threads] {
                  std::vector<Future<int>> inner;
                  inner.push_back(threads.submit(square, 6));
                  const std::size_t index = wait_any(inner);
                  return inner[index].get();
                })
                .get(),
            36);
}

exec::Task<int> sum_of_squares(Executor& executor, int n) {
  int total = 0;
  for (int i = 0; i < n; ++i) total += co_await executor.submit(square, i);
  co_return total;
}

exec::Task<int> twice(Executor& executor, int n) {
  const int first = co_await sum_of_squares(executor, n);
  const int second = co_await sum_of_squares(executor, n);
  co_return first + second;
}

exec::Task<> fails(Executor& executor) { co_await executor.submit(refuse, 1); }

TEST_P(ContinuationTest, CoroutinesAwaitTasks) {
  const auto executor = make();
  EXPECT_EQ(spawn(twice(*executor, 50)).get(), 2 * 40425);
  EXPECT_THROW(spawn(fails(*executor)).get(), std::out_of_range);
}

TEST_P(ContinuationTest, ManyCoroutinesWaitWithoutThreads) {
  const auto executor = make();
  std::vector<Future<int>> futures;
  for (int i = 0; i < 200; ++i) futures.push_back(spawn(sum_of_squares(*executor, 10)));
  for (Future<int>& future : futures) EXPECT_EQ(future.get(), 285);
}

TEST_P(ContinuationTest, ASharedFutureCanBeAwaited) {
  const auto executor = make();
  const auto await = [](SharedFuture<int> future) -> exec::Task<int> { co_return co_await future; };
  EXPECT_EQ(spawn(await(executor->submit(square, 9).share())).get(), 81);
}

TEST(ContinuationsTest, TheyAreAnExecutor) {
  EXPECT_EQ(Runtime::continuations().submit(square, 3).get(), 9);
}

}  // namespace
}  // namespace mutirao::exec
