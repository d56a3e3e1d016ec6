// Tasks that run out of time, of memory, or of stack.

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "leak_audit.hpp"
#include "mutirao/core/memory_use.hpp"
#include "mutirao/core/shared_array.hpp"
#include "mutirao/exec/process_executor.hpp"

namespace mutirao::exec {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMiB = 1 << 20;

int square(int x) { return x * x; }

// ---- Time.

struct Hang {
  const char* name;
  void (*body)();
};

constexpr Hang kHangs[] = {
    {"Spinning",
     [] {
       for (volatile bool on = true; on;) {
       }
     }},
    {"Sleeping",
     [] {
       for (;;) ::pause();
     }},
    {"DeafToSigterm",
     [] {
       std::signal(SIGTERM, SIG_IGN);
       for (;;) ::pause();
     }},
    {"Stopped", [] { ::raise(SIGSTOP); }},
};

class HangTest : public ::testing::TestWithParam<Hang> {};

INSTANTIATE_TEST_SUITE_P(All, HangTest, ::testing::ValuesIn(kHangs),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(HangTest, ATaskPastItsTimeIsKilledAndItsPlaceTakenByAnother) {
  ProcessExecutor pool({.workers = 1, .grace = 2ms});
  std::vector<Future<void>> hanging;
  for (int i = 0; i < 3; ++i) hanging.push_back(pool.submit({.timeout = 10ms}, GetParam().body));
  Future<int> behind = pool.submit(square, 5);
  for (auto& future : hanging) EXPECT_THROW(future.get(), TaskTimeout);
  EXPECT_EQ(behind.get(), 25);
}

TEST(TimeoutTest, SigtermComesFirstSoThatATaskCanTidyUp) {
  const std::string file =
      std::filesystem::temp_directory_path() / ("mutirao_tidy_" + std::to_string(::getpid()));
  {
    ProcessExecutor pool({.workers = 1, .grace = 1h});
    EXPECT_THROW(pool.submit(
                         {.timeout = 10ms},
                         [](const std::string& name) {
                           static std::string path;
                           path = name;
                           std::signal(SIGTERM, [](int) {
                             ::mkdir(path.c_str(), 0700);
                             ::_exit(0);
                           });
                           for (;;) ::pause();
                         },
                         file)
                     .get(),
                 TaskTimeout);
  }
  EXPECT_TRUE(std::filesystem::remove(file));
}

TEST(TimeoutTest, TheFutureFailsAtTheDeadlineWhateverTheProcessDoes) {
  ProcessExecutor pool({.workers = 1, .grace = 24h});
  Future<void> deaf = pool.submit({.timeout = 5ms}, [] {
    std::signal(SIGTERM, SIG_IGN);
    for (;;) ::pause();
  });
  EXPECT_THROW(deaf.get(), TaskTimeout);
  EXPECT_EQ(live_workers().size(), 1u);
  pool.shutdown(Shutdown::kKill);
}

TEST(TimeoutTest, ACrashIsTriedAgain) {
  const std::string file =
      std::filesystem::temp_directory_path() / ("mutirao_crash_" + std::to_string(::getpid()));
  ProcessExecutor pool({.workers = 2});
  const auto crash_once = [](const std::string& name) {
    if (::mkdir(name.c_str(), 0700) == 0) ::kill(::getpid(), SIGKILL);
    return 7;
  };
  EXPECT_EQ(pool.submit({.retry = {.attempts = 2}}, crash_once, file).get(), 7);
  std::filesystem::remove(file);
}

TEST(TimeoutTest, ATaskThatAlwaysCrashesStopsAfterItsAttempts) {
  ProcessExecutor pool({.workers = 1});
  const TaskOptions options{.retry = {.attempts = 4, .backoff = 1ms}};
  EXPECT_THROW(pool.submit(options, [] { ::kill(::getpid(), SIGKILL); }).get(), TaskCrashed);
  EXPECT_EQ(pool.submit(square, 2).get(), 4);
}

TEST(TimeoutTest, AFinishThatMeetsItsDeadlineHasOneOutcome) {
  ProcessExecutor pool({.workers = 2});
  std::vector<Future<int>> futures;
  for (int i = 0; i < 300; ++i) {
    futures.push_back(pool.submit(
        {.timeout = 1ms},
        [](int x) {
          const auto end =
              std::chrono::steady_clock::now() + std::chrono::microseconds(900 + x % 200);
          while (std::chrono::steady_clock::now() < end) {
          }
          return x;
        },
        i));
  }
  for (int i = 0; i < 300; ++i) {
    try {
      EXPECT_EQ(futures[static_cast<std::size_t>(i)].get(), i);
    } catch (const TaskTimeout&) {
    }
  }
}

// ---- Memory.

/// Touches so many MiB, a little at a time.
std::size_t creep(std::size_t mebibytes) {
  std::vector<std::unique_ptr<char[]>> blocks;
  for (std::size_t i = 0; i < mebibytes * 4; ++i) {
    blocks.push_back(std::make_unique<char[]>(kMiB / 4));
    std::memset(blocks.back().get(), 1, kMiB / 4);
  }
  return blocks.size();
}

MemoryLimitExceeded::Details why(Future<std::size_t> future) {
  try {
    future.get();
  } catch (const MemoryLimitExceeded& error) {
    return error.details();
  }
  ADD_FAILURE() << "the limit was not kept";
  return {};
}

TEST(MemoryTest, AnAllocationFarBeyondTheLimitIsRefused) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer's memory counts";
  ProcessExecutor pool({.workers = 1});
  const auto details = why(pool.submit({.name = "big", .resources = {.memory_bytes = 64 * kMiB}},
                                       creep, std::size_t{4096}));
  EXPECT_EQ(details.task, "big");
  EXPECT_EQ(details.limit_bytes, 64 * kMiB);
  EXPECT_EQ(pool.submit({.resources = {.memory_bytes = 64 * kMiB}}, creep, std::size_t{8}).get(),
            32u);
  EXPECT_EQ(pool.submit(creep, std::size_t{128}).get(), 512u);
}

TEST(MemoryTest, WhatNoAllocationShowsIsSeenByLooking) {
  ProcessExecutor pool({.workers = 1});
  // The limit on allocations is lifted by the task itself.
  const auto details = why(pool.submit({.resources = {.memory_bytes = 64 * kMiB}}, [] {
    core::allow_private_memory(0);
    const std::size_t blocks = creep(256);
    for (;;) ::pause();
    return blocks;
  }));
  EXPECT_EQ(details.seen, MemoryLimitExceeded::Seen::kByPolling);
  EXPECT_GT(details.used_bytes, 64 * kMiB);
  EXPECT_EQ(pool.submit(square, 3).get(), 9);
}

/// The memory is that of a descendant, so many generations away.
std::size_t delegate(std::size_t mebibytes, int generations) {
  core::allow_private_memory(0);
  while (generations > 0 && ::fork() == 0) --generations;
  const std::vector<char> memory(generations == 0 ? mebibytes * kMiB : 1, 1);
  while (!memory.empty()) ::pause();
  return 0;
}

TEST(MemoryTest, WhatDescendsFromATaskCounts) {
  ProcessExecutor pool({.workers = 1});
  for (const int generations : {1, 3}) {
    const auto details = why(pool.submit({.resources = {.memory_bytes = 64 * kMiB}}, delegate,
                                         std::size_t{256}, generations));
    EXPECT_EQ(details.seen, MemoryLimitExceeded::Seen::kByPolling);
    EXPECT_GT(details.used_bytes, 64 * kMiB);
  }
  EXPECT_EQ(pool.submit(square, 3).get(), 9);
}

TEST(MemoryTest, PagesThatATaskSharesWithWhatItForksCountOnce) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer's memory counts";
  ProcessExecutor pool({.workers = 1});
  const auto fork_many = [](std::size_t mebibytes) {
    std::vector<char> memory(mebibytes * kMiB, 1);
    std::vector<pid_t> children;
    for (int i = 0; i < 4; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        for (;;) ::pause();
      }
      children.push_back(child);
    }
    std::uint64_t used = core::private_memory_below(::getpid(), 0);
    for (const pid_t child : children) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
    return used;
  };
  const std::uint64_t used = pool.submit(fork_many, std::size_t{48}).get();
  EXPECT_GT(used, 48 * kMiB);
  EXPECT_LT(used, 64 * kMiB);
}

TEST(MemoryTest, SharedArraysThatATaskMakesCount) {
  ProcessExecutor pool({.workers = 1});
  const auto details = why(pool.submit({.resources = {.memory_bytes = 64 * kMiB}}, [] {
    std::vector<core::SharedArray<char>> arrays;
    for (int i = 0; i < 20; ++i) arrays.emplace_back(8 * kMiB);
    return arrays.size();
  }));
  EXPECT_EQ(details.seen, MemoryLimitExceeded::Seen::kByAllocation);
}

TEST(MemoryTest, SharedArraysThatATaskIsGivenDoNotCount) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer's memory counts";
  ProcessExecutor pool({.workers = 1});
  const auto array = core::SharedArray<char>::copy_of(std::vector<char>(128 * kMiB, 1));
  const auto sum = [](const core::SharedArray<char>& a) {
    std::size_t total = 0;
    for (const char c : a) total += static_cast<std::size_t>(c);
    return total;
  };
  EXPECT_EQ(pool.submit({.resources = {.memory_bytes = 64 * kMiB}}, sum, array).get(), 128 * kMiB);
}

/// A control group that may be used, made for one test; none where this user may not make any.
class ScratchGroup {
 public:
  ScratchGroup() {
    for (const std::string& root :
         {std::string("/sys/fs/cgroup/memory"), std::string("/sys/fs/cgroup")}) {
      const std::string folder = root + "/mutirao-test-" + std::to_string(::getpid());
      if (::mkdir(folder.c_str(), 0755) != 0) continue;
      folder_ = folder;
      if (std::filesystem::exists(folder + "/memory.limit_in_bytes")) return;
      std::ofstream(folder + "/cgroup.subtree_control") << "+memory" << std::flush;
      std::ifstream controllers(folder + "/cgroup.subtree_control");
      std::string enabled;
      std::getline(controllers, enabled);
      if (enabled.find("memory") != std::string::npos) return;
      ::rmdir(folder.c_str());
      folder_.clear();
    }
  }
  ~ScratchGroup() {
    if (folder_.empty()) return;
    EXPECT_EQ(::rmdir(folder_.c_str()), 0) << "a group was left in " << folder_;
  }
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
};

TEST(MemoryTest, TheKernelKeepsTheLimitWhereThereIsAControlGroup) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer's memory counts";
  const ScratchGroup group;
  if (group.folder().empty()) GTEST_SKIP() << "this user may not make control groups";
  ProcessExecutor pool({.workers = 2, .memory_group = group.folder()});
  for (int round = 0; round < 3; ++round) {
    const auto details = why(pool.submit({.resources = {.memory_bytes = 32 * kMiB}}, [] {
      core::allow_private_memory(0);
      return creep(512);
    }));
    EXPECT_EQ(details.seen, MemoryLimitExceeded::Seen::kByKernel);
    EXPECT_EQ(details.limit_bytes, 32 * kMiB);
    EXPECT_EQ(pool.submit(creep, std::size_t{64}).get(), 256u);
  }
}

/// The same files as version 2 has, in an ordinary folder.
TEST(MemoryTest, VersionTwoOfControlGroupsIsUnderstood) {
  const std::filesystem::path root =
      std::filesystem::temp_directory_path() / ("mutirao_group_" + std::to_string(::getpid()));
  const auto write = [&](const char* file, const char* text) {
    std::ofstream(root / "job" / file) << text;
  };
  const auto text_of = [&](const char* file) {
    std::ifstream stream(root / "job" / file);
    std::string text;
    stream >> text;
    return text;
  };
  EXPECT_THROW(core::MemoryGroup(root / "missing", "job"), core::IoError);
  std::filesystem::create_directories(root / "job");
  write("memory.max", "max");
  write("memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\n");
  write("cgroup.procs", "");
  {
    core::MemoryGroup group(root, "job");
    group.limit(123456);
    EXPECT_EQ(text_of("memory.max"), "123456");
    group.add(42);
    EXPECT_EQ(text_of("cgroup.procs"), "42");
    EXPECT_EQ(group.kills(), 1u);
  }
  std::filesystem::remove_all(root);
  std::filesystem::create_directories(root);
  EXPECT_THROW(core::MemoryGroup(root, "job"), core::Unsupported);
  std::filesystem::remove_all(root);
}

TEST(MemoryTest, AFolderThatIsNoControlGroupIsRefused) {
  EXPECT_THROW(ProcessExecutor({.workers = 1, .memory_group = "/proc/self/no-such-folder"}),
               core::IoError);
  EXPECT_EQ(ProcessExecutor({.workers = 1}).submit(square, 2).get(), 4);
}

// ---- Stack.

int deeper(int depth) {
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  return depth == 0 ? frame[0] : deeper(depth - 1) + frame[0];
}

int three_frames_deep(int x) {
  if (x == 3) std::abort();
  if (x > 3) return x;
  return three_frames_deep(x + 1) + 1;
}

TEST(BacktraceTest, AStackOverflowIsReportedAsOne) {
  ProcessExecutor pool({.workers = 1});
  try {
    pool.submit({.name = "deep"}, deeper, 1'000'000).get();
    FAIL();
  } catch (const TaskCrashed& crash) {
    if (kSanitized) return;  // it has a handler of its own
    EXPECT_EQ(crash.signal(), SIGSEGV);
    EXPECT_TRUE(crash.details().stack_overflow);
    EXPECT_STREQ(crash.what(), "task 'deep' crashed while running: its stack overflowed");
  }
}

TEST(BacktraceTest, ABacktraceNamesTheFunctions) {
  ProcessExecutor pool({.workers = 1});
  try {
    pool.submit(three_frames_deep, 0).get();
    FAIL();
  } catch (const TaskCrashed& crash) {
    EXPECT_EQ(crash.signal(), SIGABRT);
    EXPECT_THAT(crash.backtrace(),
                ::testing::Contains(::testing::HasSubstr("three_frames_deep(int)")));
    EXPECT_FALSE(crash.details().stack_overflow);
  }
}

struct Sudden {
  void (*end)();
  int signal;  // 0: it exits
};

TEST(BacktraceTest, EveryWayToEndInMidTaskIsACrash) {
  const Sudden kWays[] = {
      {[] { ::raise(SIGBUS); }, SIGBUS},   {[] { ::raise(SIGFPE); }, SIGFPE},
      {[] { ::raise(SIGILL); }, SIGILL},   {[] { std::abort(); }, SIGABRT},
      {[] { std::terminate(); }, SIGABRT}, {[] { ::_exit(0); }, 0},
      {[] { std::quick_exit(0); }, 0},
  };
  ProcessExecutor pool({.workers = 1});
  for (const Sudden& way : kWays) {
    try {
      pool.submit(way.end).get();
      FAIL() << "signal " << way.signal;
    } catch (const TaskCrashed& crash) {
      // A sanitizer turns some of them into an exit.
      if (!kSanitized) {
        EXPECT_EQ(crash.signal(), way.signal);
      }
      EXPECT_EQ(crash.phase(), TaskPhase::kRunning);
    }
    EXPECT_EQ(pool.submit(square, 2).get(), 4);
  }
}

TEST(BacktraceTest, AnUncaughtExceptionOnAnotherThreadIsACrash) {
  ProcessExecutor pool({.workers = 1});
  EXPECT_THROW(pool.submit([] { std::thread([] { throw 1; }).join(); }).get(), TaskCrashed);
  EXPECT_EQ(pool.submit(square, 2).get(), 4);
}

TEST(BacktraceTest, AChildOfATaskThatCrashesLeavesNoTrace) {
  ProcessExecutor pool({.workers = 1});
  try {
    pool.submit([] {
          if (::fork() == 0) std::abort();
          std::signal(SIGSEGV, SIG_DFL);
          ::raise(SIGSEGV);
        })
        .get();
    FAIL();
  } catch (const TaskCrashed& crash) {
    EXPECT_EQ(crash.signal(), SIGSEGV);
    EXPECT_TRUE(crash.backtrace().empty());
  }
}

}  // namespace
}  // namespace mutirao::exec
