// Workers die at every point of a task, in every way; only the task that ran is lost.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "leak_audit.hpp"
#include "mutirao/core/shared_array.hpp"
#include "mutirao/exec/process_executor.hpp"

namespace mutirao::exec {
namespace {

int square(int x) { return x * x; }

enum class Way { kExit0, kExit3, kSegmentation, kKill };

void die(Way way) {
  switch (way) {
    case Way::kExit0:
      std::exit(0);
    case Way::kExit3:
      std::_Exit(3);
    case Way::kSegmentation:
      // Without a handler of a sanitizer in between.
      std::signal(SIGSEGV, SIG_DFL);
      ::raise(SIGSEGV);
      break;
    case Way::kKill:
      ::kill(::getpid(), SIGKILL);
      for (;;) ::pause();
  }
}

/// A value whose serializer dies, or throws, when told to.
struct Bomb {
  enum class Fuse { kNone, kDieOnSave, kDieOnLoad, kThrowOnSave, kThrowOnLoad };
  Fuse fuse = Fuse::kNone;
  Way way = Way::kKill;

  template <class Archive>
  void save(Archive& archive) const {
    if (fuse == Fuse::kDieOnSave) die(way);
    if (fuse == Fuse::kThrowOnSave) throw std::runtime_error("not today");
    archive(fuse, way);
  }
  template <class Archive>
  void load(Archive& archive) {
    archive(fuse, way);
    if (fuse == Fuse::kDieOnLoad) die(way);
    if (fuse == Fuse::kThrowOnLoad) throw std::runtime_error("not tomorrow");
  }
};

struct Case {
  const char* name;
  TaskPhase phase;
  Way way;
  int signal;
  int exit_code;
};

class CrashTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    // What a process opens once, at its first executor, is not a leak.
    ProcessExecutor({.workers = 1}).submit(square, 1).get();
    before_ = open_descriptors();
  }
  void TearDown() override {
    EXPECT_EQ(open_descriptors(), before_) << "descriptors leaked";
    EXPECT_TRUE(live_workers().empty()) << "a worker outlived its executor";
  }

  static Future<Bomb> submit_crash(Executor& pool, const Case& c) {
    switch (c.phase) {
      case TaskPhase::kDecoding:
        return pool.submit(
            {.name = "victim"}, [](const Bomb& b) { return b; },
            Bomb{Bomb::Fuse::kDieOnLoad, c.way});
      case TaskPhase::kRunning:
        return pool.submit(
            {.name = "victim"},
            [](Way way) {
              std::fputs("last words\n", stderr);
              die(way);
              return Bomb{};
            },
            c.way);
      case TaskPhase::kEncoding:
        return pool.submit(
            {.name = "victim"},
            [](Way way) {
              return Bomb{Bomb::Fuse::kDieOnSave, way};
            },
            c.way);
    }
    return {};
  }

 private:
  std::multiset<std::string> before_;
};

TEST_P(CrashTest, OnlyTheTaskThatRanIsLost) {
  const Case& c = GetParam();
  ProcessExecutor pool({.workers = 2});
  std::vector<Future<int>> before;
  std::vector<Future<int>> after;
  for (int i = 0; i < 40; ++i) before.push_back(pool.submit(square, i));
  Future<Bomb> victim = submit_crash(pool, c);
  for (int i = 0; i < 40; ++i) after.push_back(pool.submit(square, i));
  try {
    victim.get();
    FAIL() << "a dead worker gave a result";
  } catch (const TaskCrashed& crash) {
    EXPECT_EQ(crash.signal(), c.signal);
    EXPECT_EQ(crash.exit_code(), c.exit_code);
    EXPECT_EQ(crash.phase(), c.phase);
    EXPECT_EQ(crash.details().task, "victim");
    EXPECT_GT(crash.details().worker, 0);
    if (c.phase == TaskPhase::kRunning) {
      EXPECT_EQ(crash.stderr_tail(), "last words\n");
      EXPECT_EQ(crash.hint(), "the last line it wrote: last words");
    }
  }
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(before[static_cast<std::size_t>(i)].get(), i * i);
    EXPECT_EQ(after[static_cast<std::size_t>(i)].get(), i * i);
  }
}

TEST_P(CrashTest, ANewWorkerTakesThePlace) {
  ProcessExecutor pool({.workers = 1});
  const pid_t first = pool.submit([] { return ::getpid(); }).get();
  for (int round = 0; round < 5; ++round) {
    EXPECT_THROW(submit_crash(pool, GetParam()).get(), TaskCrashed);
    EXPECT_NE(pool.submit([] { return ::getpid(); }).get(), first);
  }
  EXPECT_EQ(live_workers().size(), 1u);
}

constexpr Case kCases[] = {
    {"RunExit0", TaskPhase::kRunning, Way::kExit0, 0, 0},
    {"RunExit3", TaskPhase::kRunning, Way::kExit3, 0, 3},
    {"RunSigsegv", TaskPhase::kRunning, Way::kSegmentation, SIGSEGV, 0},
    {"RunSigkill", TaskPhase::kRunning, Way::kKill, SIGKILL, 0},
    {"EncodeExit0", TaskPhase::kEncoding, Way::kExit0, 0, 0},
    {"EncodeExit3", TaskPhase::kEncoding, Way::kExit3, 0, 3},
    {"EncodeSigsegv", TaskPhase::kEncoding, Way::kSegmentation, SIGSEGV, 0},
    {"EncodeSigkill", TaskPhase::kEncoding, Way::kKill, SIGKILL, 0},
    {"DecodeExit0", TaskPhase::kDecoding, Way::kExit0, 0, 0},
    {"DecodeExit3", TaskPhase::kDecoding, Way::kExit3, 0, 3},
    {"DecodeSigsegv", TaskPhase::kDecoding, Way::kSegmentation, SIGSEGV, 0},
    {"DecodeSigkill", TaskPhase::kDecoding, Way::kKill, SIGKILL, 0},
};

INSTANTIATE_TEST_SUITE_P(All, CrashTest, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(SerializerTest, AnArgumentWhoseEncodingThrowsIsRefusedAtSubmit) {
  ProcessExecutor pool({.workers = 1});
  try {
    (void)pool.submit(
        {.name = "x"}, [](const Bomb&) { return 1; }, Bomb{Bomb::Fuse::kThrowOnSave});
    FAIL();
  } catch (const NotSerializable& error) {
    EXPECT_EQ(core::describe(error),
              "the arguments of task 'x' cannot be encoded\n  because: not today");
  }
  EXPECT_EQ(pool.submit(square, 2).get(), 4);
}

TEST(SerializerTest, AnArgumentWhoseDecodingThrowsFailsItsTask) {
  ProcessExecutor pool({.workers = 1});
  try {
    pool.submit([](const Bomb&) { return 1; }, Bomb{Bomb::Fuse::kThrowOnLoad}).get();
    FAIL();
  } catch (const NotSerializable& error) {
    EXPECT_EQ(core::describe(error),
              "the arguments of a task cannot be decoded\n  because: not tomorrow");
  }
}

TEST(SerializerTest, AResultWhoseEncodingThrowsFailsItsTask) {
  ProcessExecutor pool({.workers = 1});
  try {
    pool.submit([] { return Bomb{Bomb::Fuse::kThrowOnSave}; }).get();
    FAIL();
  } catch (const NotSerializable& error) {
    EXPECT_EQ(core::describe(error),
              "the result of a task cannot be encoded\n  because: not today");
  }
}

/// Says that it runs, then never ends.
int hang() {
  this_task::report_progress({.done = 1, .total = 1, .stage = 0});
  for (;;) ::pause();
}

TEST(CancelTest, ATaskThatDoesNotListenIsKilledAfterItsGrace) {
  ProcessExecutor pool({.workers = 1, .grace = std::chrono::milliseconds(1)});
  Future<int> deaf = pool.submit(hang);
  while (deaf.progress().done == 0) std::this_thread::yield();
  Future<int> behind = pool.submit(square, 4);
  const pid_t process = deaf.worker_pid();
  EXPECT_FALSE(deaf.cancel());
  EXPECT_THROW(deaf.get(), Cancelled);
  EXPECT_EQ(behind.get(), 16);
  EXPECT_NE(pool.submit([] { return ::getpid(); }).get(), process);
}

TEST(CancelTest, AStoppedProcessIsKilledToo) {
  ProcessExecutor pool({.workers = 1, .grace = std::chrono::milliseconds(1)});
  Future<int> stopped = pool.submit([] {
    this_task::report_progress({.done = 1, .total = 1, .stage = 0});
    ::raise(SIGSTOP);
    return 1;
  });
  while (stopped.progress().done == 0) std::this_thread::yield();
  stopped.cancel();
  try {
    stopped.get();
    FAIL();
  } catch (const Cancelled&) {
  }
  EXPECT_EQ(pool.submit(square, 4).get(), 16);
}

TEST(ShutdownTest, KillEndsTasksThatNeverEnd) {
  ProcessExecutor pool({.workers = 2});
  std::vector<Future<int>> futures;
  for (int i = 0; i < 20; ++i) futures.push_back(pool.submit(hang));
  pool.shutdown(Shutdown::kKill);
  for (Future<int>& future : futures) EXPECT_THROW(future.get(), Cancelled);
  EXPECT_TRUE(live_workers().empty());
}

TEST(ShutdownTest, KillRightAfterTheStartEndsWorkersThatAreStillBeingBorn) {
  for (int round = 0; round < 20; ++round) {
    ProcessExecutor pool({.workers = 2});
    (void)pool.submit(hang);
    pool.shutdown(Shutdown::kKill);
    EXPECT_TRUE(live_workers().empty());
  }
}

TEST(CrashRaceTest, WorkersKilledFromOutsideCostOnlyWhatTheyRan) {
  ProcessExecutor pool({.workers = 2});
  const auto slow_square = [](int x) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return x * x;
  };
  std::vector<Future<int>> futures;
  for (int i = 0; i < 200; ++i) futures.push_back(pool.submit(slow_square, i));
  std::thread killer([] {
    for (int i = 0; i < 10; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      const std::vector<pid_t> workers = live_workers();
      if (!workers.empty()) ::kill(workers[static_cast<std::size_t>(i) % workers.size()], SIGKILL);
    }
  });
  int lost = 0;
  for (int i = 0; i < 200; ++i) {
    try {
      EXPECT_EQ(futures[static_cast<std::size_t>(i)].get(), i * i);
    } catch (const TaskCrashed& crash) {
      EXPECT_EQ(crash.signal(), SIGKILL);
      ++lost;
    }
  }
  killer.join();
  EXPECT_LE(lost, 10);
}

TEST(CrashRaceTest, ACrashWhileOthersHoldSharedArraysLeavesThemWhole) {
  ProcessExecutor pool({.workers = 2});
  const core::SharedArray<int> array =
      core::SharedArray<int>::copy_of(std::vector<int>(100'000, 7));
  const auto sum = [](const core::SharedArray<int>& a, bool crash) {
    if (crash) ::kill(::getpid(), SIGKILL);
    long total = 0;
    for (const int x : a) total += x;
    return total;
  };
  for (int round = 0; round < 20; ++round) {
    Future<long> bad = pool.submit(sum, array, true);
    Future<long> good = pool.submit(sum, array, false);
    EXPECT_EQ(good.get(), 700'000);
    EXPECT_THROW(bad.get(), TaskCrashed);
  }
}

TEST(CrashRaceTest, ATaskThatWritesToASharedArgumentKillsOnlyItsWorker) {
  ProcessExecutor pool({.workers = 1});
  const core::SharedArray<int> array = core::SharedArray<int>::copy_of(std::vector<int>{1, 2, 3});
  EXPECT_THROW(pool.submit(
                       [](const core::SharedArray<int>& a) {
                         std::signal(SIGSEGV, SIG_DFL);
                         const_cast<int&>(a[0]) = 9;
                       },
                       array)
                   .get(),
               TaskCrashed);
  EXPECT_EQ(array[0], 1);
}

TEST(GrandchildTest, WhatATaskLeftRunningEndsWithItsWorker) {
  pid_t grandchild = 0;
  {
    ProcessExecutor pool({.workers = 1});
    grandchild = pool.submit([] {
                       const pid_t child = ::fork();
                       if (child == 0) {
                         for (;;) ::pause();
                       }
                       return child;
                     })
                     .get();
    EXPECT_EQ(::kill(grandchild, 0), 0);
  }
  const auto gone = [grandchild] {
    std::ifstream stat("/proc/" + std::to_string(grandchild) + "/stat");
    std::string text;
    std::getline(stat, text);
    return text.empty() || text.find(") Z") != std::string::npos;
  };
  while (!gone()) std::this_thread::yield();
}

TEST(ForkTest, AProcessThatTheUserForkedLeavesTheExecutorAlone) {
  auto pool = std::make_unique<ProcessExecutor>(ProcessExecutorOptions{.workers = 1});
  EXPECT_EQ(pool->submit(square, 2).get(), 4);
  const pid_t child = ::fork();
  if (child == 0) {
    pool.reset();
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(pool->submit(square, 3).get(), 9);
}

}  // namespace
}  // namespace mutirao::exec
