// How workers begin and end: initializers, replacement, libraries in them.

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include <dlfcn.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "leak_audit.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/futex.hpp"
#include "mutirao/core/process.hpp"
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

/// A folder whose name workers, too, can tell: by the number of their parent.
std::string folder_of(pid_t zygote) {
  return std::filesystem::temp_directory_path() / ("mutirao_initializer_" + std::to_string(zygote));
}

TEST(InitializerTest, WhereItFailsInLaterWorkersTasksFailWithTheReason) {
  ProcessExecutor pool({.workers = 1, .initializer = [] {
                          if (std::filesystem::exists(folder_of(::getppid())))
                            throw std::runtime_error("no licence any more");
                        }});
  EXPECT_EQ(pool.submit(square, 3).get(), 9);
  const std::string folder = folder_of(children_of(::getpid()).front());
  std::filesystem::create_directory(folder);
  EXPECT_THROW(pool.submit([] { ::_exit(0); }).get(), TaskCrashed);
  EXPECT_THROW(pool.submit(square, 3).get(), WorkerInitFailed);
  EXPECT_LE(pool.stats().workers_started, 8u);
  std::filesystem::remove(folder);
  // A new task is a reason to try again.
  EXPECT_EQ(pool.submit(square, 4).get(), 16);
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

/// So many executors, each in a task of the one before.
int nest(int levels) {
  if (levels == 0) return 0;
  ProcessExecutor pool({.workers = 1});
  return 1 + pool.submit(nest, levels - 1).get();
}

TEST(NestingTest, FourLevelsWorkAndTheFifthSaysThatItIsTooDeep) {
  EXPECT_EQ(nest(4), 4);
  try {
    nest(5);
    FAIL();
  } catch (const WorkerInitFailed& error) {
    EXPECT_STREQ(error.what(), "cannot start a worker: executors are nested too deeply");
  }
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

/// The most threads of a library that are at work at once, seen by those it calls.
std::size_t most_at_once() {
  std::atomic<std::size_t> now{0};
  std::atomic<std::size_t> most{0};
  tbb::parallel_for(0, 2000, [&](int) {
    const std::size_t here = ++now;
    std::size_t seen = most.load();
    while (seen < here && !most.compare_exchange_weak(seen, here)) {
    }
    for (int spin = 0; spin < 200; ++spin) core::spin_pause();
    --now;
  });
  return most;
}

TEST(LibrariesTest, OneTbbWorksOnNoMoreCoresThanItsTaskHas) {
  const std::size_t before = CoreBudget::current().cores();
  CoreBudget::current().limit(4);
  {
    ProcessExecutor pool({.workers = 1});
    for (const std::size_t cores : {2, 4, 1}) {
      const std::size_t most = pool.submit({.resources = {.cores = cores}}, most_at_once).get();
      EXPECT_GE(most, 1u);
      EXPECT_LE(most, cores);
    }
  }
  CoreBudget::current().limit(before);
}

TEST(LibrariesTest, OpenMpUsesAsManyThreadsAsItsTaskHasCores) {
  if (kSanitized) GTEST_SKIP() << "the sanitizers do not know OpenMP's barriers";
  const std::size_t before = CoreBudget::current().cores();
  CoreBudget::current().limit(3);
  {
    ProcessExecutor pool({.workers = 1});
    const auto threads = [] {
      void* const library = ::dlopen(MUTIRAO_OPENMP_LIBRARY, RTLD_NOW | RTLD_GLOBAL);
      if (library == nullptr) throw core::Unsupported(::dlerror());
      return reinterpret_cast<int (*)()>(::dlsym(library, "openmp_threads"))();
    };
    EXPECT_EQ(pool.submit(threads).get(), 1);
    EXPECT_EQ(pool.submit({.resources = {.cores = 3}}, threads).get(), 3);
    EXPECT_EQ(pool.submit({.resources = {.cores = 2}}, threads).get(), 2);
    EXPECT_EQ(pool.submit(threads).get(), 1);
  }
  CoreBudget::current().limit(before);
}

/// Multiplies two matrices; {threads that the library would use, threads of this process}.
std::vector<int> multiply_matrices() {
  void* const library = ::dlopen("libopenblas.so.0", RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) return {};
  using Multiply = void (*)(int, int, int, int, int, int, double, const double*, int, const double*,
                            int, double, double*, int);
  const auto multiply = reinterpret_cast<Multiply>(::dlsym(library, "cblas_dgemm"));
  const auto threads = reinterpret_cast<int (*)()>(::dlsym(library, "openblas_get_num_threads"));
  constexpr int kSide = 300;
  constexpr int kRowMajor = 101;
  constexpr int kNotTransposed = 111;
  const std::vector<double> a(kSide * kSide, 0.5);
  std::vector<double> c(kSide * kSide);
  multiply(kRowMajor, kNotTransposed, kNotTransposed, kSide, kSide, kSide, 1.0, a.data(), kSide,
           a.data(), kSide, 0.0, c.data(), kSide);
  if (c.back() != 0.25 * kSide) return {};
  return {threads(), static_cast<int>(core::thread_count())};
}

TEST(LibrariesTest, BlasUsesAsManyThreadsAsItsTaskHasCores) {
  if (kSanitized) GTEST_SKIP() << "the sanitizers have threads of their own";
  const std::size_t before = CoreBudget::current().cores();
  CoreBudget::current().limit(3);
  {
    ProcessExecutor pool({.workers = 1});
    const std::vector<int> alone = pool.submit(multiply_matrices).get();
    if (alone.empty()) GTEST_SKIP() << "OpenBLAS is not installed (libopenblas0-pthread)";
    const int own = alone[1];
    EXPECT_EQ(alone[0], 1);
    EXPECT_LE(own, std::getenv("MUTIRAO_TEST_THREAD_FIRST") != nullptr ? 2 : 1);
    const std::vector<int> three =
        pool.submit({.resources = {.cores = 3}}, multiply_matrices).get();
    EXPECT_LE(three[0], 3);
    EXPECT_LE(three[1], own + 2);
    EXPECT_EQ(pool.submit(multiply_matrices).get()[0], 1);
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
