// Futures that are asked when their executor is gone, whichever way it went.

#include <chrono>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "every_executor.hpp"
#include "mutirao/core/error.hpp"

namespace mutirao::exec {
namespace {

int square(int x) { return x * x; }

struct End {
  const char* name;
  bool runs_what_is_queued;
  bool stops_what_runs;
  void (*end)(Executor& executor);
};

void PrintTo(const End& end, std::ostream* out) { *out << end.name; }

const End kEnds[] = {
    {"Destructor", false, false, [](Executor&) {}},
    {"Wait", true, false, [](Executor& executor) { executor.shutdown(Shutdown::kWait); }},
    {"Cancel", false, false, [](Executor& executor) { executor.shutdown(Shutdown::kCancel); }},
    {"Kill", false, true, [](Executor& executor) { executor.shutdown(Shutdown::kKill); }},
    {"WaitThenKill", true, false,
     [](Executor& executor) {
       executor.shutdown(Shutdown::kWait);
       executor.shutdown(Shutdown::kKill);
     }},
};

class OutlivingTest : public ::testing::TestWithParam<std::tuple<Kind, End>> {
 protected:
  static const End& end() { return std::get<1>(GetParam()); }
  static std::string kind() { return std::get<0>(GetParam()).name; }
};

INSTANTIATE_TEST_SUITE_P(
    All, OutlivingTest, ::testing::Combine(::testing::ValuesIn(kKinds), ::testing::ValuesIn(kEnds)),
    [](const auto& info) {
      return std::string(std::get<0>(info.param).name) + std::get<1>(info.param).name;
    });

/// Begins, then goes on until it is asked to stop; or for so many milliseconds at most.
int run_until_asked(int milliseconds) {
  const auto over = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
  const std::stop_token token = this_task::stop_token();
  this_task::report_progress({.done = 1, .total = 1, .stage = 0});
  while (!token.stop_requested() && std::chrono::steady_clock::now() < over)
    std::this_thread::yield();
  return 5;
}

/// What may be asked of any future of an executor that is gone.
template <class R>
void expect_answers(Future<R>& future) {
  EXPECT_TRUE(future.valid());
  EXPECT_TRUE(future.ready());
  EXPECT_TRUE(future.wait_for(std::chrono::seconds(0)));
  EXPECT_FALSE(future.cancel());
  EXPECT_LE(future.progress().done, 1u);
  EXPECT_GE(future.worker_pid(), 0);
  future.wait();
}

TEST_P(OutlivingTest, FuturesSayWhatBecameOfTheirTasks) {
  ThreadExecutor elsewhere({.threads = 1});
  Future<int> done;
  Future<int> running;
  std::vector<Future<int>> queued;
  Future<int> dependent;
  Future<int> followed;
  {
    const std::unique_ptr<Executor> executor = std::get<0>(GetParam()).make(1);
    done = executor->submit(square, 3);
    done.wait();
    // In line it must end by itself, as where nobody asks it to stop.
    const bool asked = end().stops_what_runs && kind() != "Inline";
    running = executor->submit(run_until_asked, asked ? 60'000 : 20);
    while (running.progress().done == 0) std::this_thread::yield();
    for (int i = 0; i < 3; ++i) queued.push_back(executor->submit(square, i));
    dependent = executor->submit(square, executor->submit(square, 2));
    followed = executor->submit(square, 4).then(elsewhere, square);
    end().end(*executor);
  }
  const bool all_ran = end().runs_what_is_queued || kind() == "Inline";
  expect_answers(done);
  EXPECT_EQ(done.get(), 9);
  expect_answers(running);
  if (end().stops_what_runs && kind() == "Process") {
    EXPECT_THROW(running.get(), Cancelled);
  } else {
    EXPECT_EQ(running.get(), 5);
  }
  for (int i = 0; i < 3; ++i) {
    Future<int>& each = queued[static_cast<std::size_t>(i)];
    expect_answers(each);
    if (all_ran) {
      EXPECT_EQ(each.get(), i * i);
    } else {
      SharedFuture<int> shared = std::move(each).share();
      EXPECT_THROW(shared.get(), Cancelled);
    }
  }
  if (kind() == "Inline") {
    EXPECT_EQ(dependent.get(), 16);
  } else {
    // It was never accepted, or its argument was cancelled.
    EXPECT_ANY_THROW(dependent.get());
  }
  if (all_ran) {
    EXPECT_EQ(followed.get(), 256);
  } else {
    EXPECT_THROW(followed.get(), DependencyFailed);
  }
}

}  // namespace
}  // namespace mutirao::exec
