// How workers begin and end: initializers, replacement, libraries in them.

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <dlfcn.h>
#include <tbb/global_control.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "leak_audit.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/exec/process_executor.hpp"

namespace mutirao::exec {
namespace {

using namespace std::chrono_literals;

int square(int x) { return x * x; }

int prepared = 0;

TEST(InitializerTest, ItRunsInEveryWorkerBeforeItsTasks) {
  ProcessExecutor pool({.workers = 2, .initializer = [] { prepared = 41; }});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(pool.submit([] { return ++prepared; }).get() > 41, true);
  EXPECT_THROW(pool.submit([] { std::abort(); }).get(), TaskCrashed);
  EXPECT_GT(pool.submit([] { return ++prepared; }).get(), 41);
  EXPECT_EQ(prepared, 0);
  EXPECT_EQ(pool.stats().done, 22u);
}

struct Failing {
  const char* name;
  void (*initializer)();
};

class FailingInitializerTest : public ::testing::TestWithParam<Failing> {};

constexpr Failing kFailing[] = {
    {"Throws", [] { throw std::runtime_error("no licence"); }},
    {"Exits", [] { std::_Exit(0); }},
    {"Crashes", [] { ::kill(::getpid(), SIGKILL); }},
    {"Hangs",
     [] {
       for (;;) ::pause();
     }},
};
INSTANTIATE_TEST_SUITE_P(All, FailingInitializerTest, ::testing::ValuesIn(kFailing),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(FailingInitializerTest, EveryTaskFailsWithTheReason) {
  ProcessExecutor pool(
      {.workers = 2, .initializer = GetParam().initializer, .initializer_timeout = 5ms});
  std::vector<Future<int>> futures;
  for (int i = 0; i < 10; ++i) futures.push_back(pool.submit(square, i));
  for (Future<int>& future : futures) {
    try {
      future.get();
      FAIL();
    } catch (const WorkerInitFailed& error) {
      EXPECT_STREQ(error.what(), "the initializer of the workers fails");
      EXPECT_NE(core::describe(error).find("because: "), std::string::npos);
    }
  }
  EXPECT_LE(pool.stats().workers_started, 8u);
}

TEST(RecyclingTest, AWorkerIsReplacedAfterItsTasks) {
  for (const std::uint64_t most : {1u, 2u, 7u}) {
    ProcessExecutor pool({.workers = 2, .max_tasks_per_worker = most});
    std::vector<Future<pid_t>> futures;
    for (int i = 0; i < 40; ++i) futures.push_back(pool.submit([] { return ::getpid(); }));
    std::multiset<pid_t> processes;
    for (auto& future : futures) processes.insert(future.get());
    for (const pid_t process : processes) EXPECT_LE(processes.count(process), most);
  }
}

TEST(RecyclingTest, AnExecutorMayEndWhileWorkersAreReplaced) {
  for (int round = 0; round < 20; ++round) {
    ProcessExecutor pool({.workers = 2, .max_tasks_per_worker = 1});
    for (int i = 0; i < 8; ++i) (void)pool.submit(square, i);
    if (round % 2 == 0) pool.shutdown();
  }
  EXPECT_TRUE(live_workers().empty());
}

TEST(LibrariesTest, AFunctionOfALibraryThatWasLoadedLaterIsFound) {
  void* const library = ::dlopen(MUTIRAO_LATE_LIBRARY, RTLD_NOW);
  ASSERT_NE(library, nullptr) << ::dlerror();
  const auto late_cube = reinterpret_cast<int (*)(int)>(::dlsym(library, "late_cube"));
  ASSERT_NE(late_cube, nullptr);
  ProcessExecutor pool({.workers = 2});
  EXPECT_EQ(pool.map(late_cube, std::vector<int>{1, 2, 3}), (std::vector<int>{1, 8, 27}));
  EXPECT_EQ(pool.submit(square, 3).get(), 9);
}

TEST(LibrariesTest, OneTbbInAWorkerKeepsToTheCoresOfItsTask) {
  const std::size_t before = CoreBudget::current().cores();
  CoreBudget::current().limit(3);
  {
    ProcessExecutor pool({.workers = 1});
    const auto threads = [] {
      return tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism);
    };
    EXPECT_EQ(pool.submit(threads).get(), 1u);
    EXPECT_EQ(pool.submit({.resources = {.cores = 3}}, threads).get(), 3u);
    EXPECT_EQ(pool.submit(threads).get(), 1u);
  }
  CoreBudget::current().limit(before);
}

TEST(LibrariesTest, OpenMpAndBlasInAWorkerBeginWithOneThread) {
  ProcessExecutor pool({.workers = 1});
  const auto variable = [](const std::string& name) {
    return std::string(std::getenv(name.c_str()));
  };
  EXPECT_EQ(pool.submit(variable, std::string("OMP_NUM_THREADS")).get(), "1");
  EXPECT_EQ(pool.submit(variable, std::string("OPENBLAS_NUM_THREADS")).get(), "1");
}

}  // namespace
}  // namespace mutirao::exec
