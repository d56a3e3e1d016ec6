// Workers die at every point of a task, in every way; only the task that ran is lost.

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "leak_audit.hpp"
#include "mutirao/core/shared_array.hpp"
#include "mutirao/exec/inline_executor.hpp"
#include "mutirao/exec/process_executor.hpp"
#include "mutirao/exec/thread_executor.hpp"

namespace mutirao::exec {
namespace {

int square(int x) { return x * x; }

enum class Way { kThrow, kExit0, kExit3, kSegmentation, kKill, kOutOfMemory, kHang };

void die(Way way) {
  switch (way) {
    case Way::kThrow:
      throw std::runtime_error("boom");
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
    case Way::kOutOfMemory: {
      std::vector<std::unique_ptr<char[]>> blocks;
      for (;;) blocks.push_back(std::make_unique<char[]>(1 << 20));
    }
    case Way::kHang:
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

enum class Point { kSend, kDecode, kRun, kEncode, kReply };

/// A result that dies after it was encoded, when the worker lets go of it.
struct LateBomb {
  Way way = Way::kKill;
  bool armed = false;
  LateBomb() = default;
  explicit LateBomb(Way how) : way(how), armed(true) {}
  LateBomb(LateBomb&& other) noexcept : way(other.way), armed(std::exchange(other.armed, false)) {}
  LateBomb& operator=(LateBomb&& other) noexcept {
    way = other.way;
    armed = std::exchange(other.armed, false);
    return *this;
  }
  // A destructor that throws ends the process.
  ~LateBomb() {
    if (armed) die(way);
  }
  template <class Archive>
  void save(Archive& archive) const {
    archive(way);
  }
  template <class Archive>
  void load(Archive& archive) {
    archive(way);
  }
};

/// The table: where x how. What each gives is in Outcome.
struct Case {
  Point point;
  Way way;
};

std::string name_of(Point point) {
  return std::vector<std::string>{"Send", "Decode", "Run", "Encode",
                                  "Reply"}[static_cast<std::size_t>(point)];
}
std::string name_of(Way way) {
  return std::vector<std::string>{"Throw",   "Exit0",       "Exit3", "Sigsegv",
                                  "Sigkill", "OutOfMemory", "Hang"}[static_cast<std::size_t>(way)];
}

void PrintTo(const Case& c, std::ostream* out) { *out << name_of(c.point) << name_of(c.way); }

std::vector<Case> whole_table() {
  std::vector<Case> table;
  for (const Point point :
       {Point::kSend, Point::kDecode, Point::kRun, Point::kEncode, Point::kReply}) {
    for (const Way way : {Way::kThrow, Way::kExit0, Way::kExit3, Way::kSegmentation, Way::kKill,
                          Way::kOutOfMemory, Way::kHang}) {
      // While an argument is sent it is the program's own code that runs: it can throw, and what
      // else it does it does to the program.
      if (point == Point::kSend && way != Way::kThrow) continue;
      table.push_back({point, way});
    }
  }
  return table;
}

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
    EXPECT_EQ(shared_mappings(), 0u) << "memory of a worker is still mapped";
  }

  static TaskOptions options(Way way) {
    TaskOptions options{.name = "victim"};
    if (way == Way::kHang) options.timeout = std::chrono::milliseconds(20);
    if (way == Way::kOutOfMemory) options.resources.memory_bytes = 64 << 20;
    return options;
  }

  static Future<Bomb> submit_bomb(Executor& pool, const Case& c) {
    switch (c.point) {
      case Point::kDecode:
        return pool.submit(
            options(c.way), [](const Bomb& b) { return b; }, Bomb{Bomb::Fuse::kDieOnLoad, c.way});
      case Point::kEncode:
        return pool.submit(
            options(c.way),
            [](Way way) {
              return Bomb{Bomb::Fuse::kDieOnSave, way};
            },
            c.way);
      default:
        return pool.submit(
            options(c.way),
            [](Way way) {
              std::fputs("last words\n", stderr);
              die(way);
              return Bomb{};
            },
            c.way);
    }
  }

  static TaskPhase phase_of(Point point) {
    return point == Point::kDecode   ? TaskPhase::kDecoding
           : point == Point::kEncode ? TaskPhase::kEncoding
                                     : TaskPhase::kRunning;
  }

  /// The victim's future throws exactly what its case says.
  template <class R>
  static void expect_outcome(Future<R>& victim, const Case& c) {
    try {
      victim.get();
      FAIL() << "a task that died gave a result";
    } catch (const TaskCrashed& crash) {
      const bool in_destructor = c.point == Point::kReply;
      EXPECT_NE(c.way, Way::kHang);
      EXPECT_TRUE(in_destructor || (c.way != Way::kThrow && c.way != Way::kOutOfMemory));
      EXPECT_EQ(crash.signal(), c.way == Way::kSegmentation                          ? SIGSEGV
                                : c.way == Way::kKill                                ? SIGKILL
                                : c.way == Way::kThrow || c.way == Way::kOutOfMemory ? SIGABRT
                                                                                     : 0);
      EXPECT_EQ(crash.exit_code(), c.way == Way::kExit3 ? 3 : 0);
      EXPECT_EQ(crash.phase(), c.point == Point::kReply ? TaskPhase::kEncoding : phase_of(c.point));
      EXPECT_EQ(crash.details().task, "victim");
      EXPECT_GT(crash.details().worker, 0);
      if (c.point == Point::kRun) {
        EXPECT_EQ(crash.stderr_tail(), "last words\n");
        EXPECT_EQ(crash.hint(), "the last line it wrote: last words");
      }
    } catch (const TaskTimeout&) {
      EXPECT_EQ(c.way, Way::kHang);
    } catch (const MemoryLimitExceeded& error) {
      EXPECT_EQ(c.way, Way::kOutOfMemory);
      EXPECT_EQ(error.details().task, "victim");
    } catch (const NotSerializable& error) {
      EXPECT_EQ(c.way, Way::kThrow);
      EXPECT_NE(core::describe(error).find("because: boom"), std::string::npos);
      EXPECT_NE(c.point, Point::kRun);
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(c.way, Way::kThrow);
      EXPECT_EQ(c.point, Point::kRun);
      EXPECT_STREQ(error.what(), "boom");
    }
  }

  /// Submits a victim and takes its outcome.
  static void explode(Executor& pool, const Case& c) {
    if (c.point == Point::kSend) {
      EXPECT_THROW(
          (void)pool.submit(
              {.name = "victim"}, [](const Bomb&) { return 1; }, Bomb{Bomb::Fuse::kThrowOnSave}),
          NotSerializable);
    } else if (c.point == Point::kReply) {
      Future<LateBomb> victim = pool.submit(
          options(c.way), [](Way way) { return LateBomb(way); }, c.way);
      expect_outcome(victim, c);
    } else {
      Future<Bomb> victim = submit_bomb(pool, c);
      expect_outcome(victim, c);
    }
  }

 private:
  std::multiset<std::string> before_;
};

TEST_P(CrashTest, OnlyTheTaskThatRanIsLost) {
  ProcessExecutor pool({.workers = 2, .grace = std::chrono::milliseconds(5)});
  std::vector<Future<int>> before;
  std::vector<Future<int>> after;
  for (int i = 0; i < 40; ++i) before.push_back(pool.submit(square, i));
  explode(pool, GetParam());
  for (int i = 0; i < 40; ++i) after.push_back(pool.submit(square, i));
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(before[static_cast<std::size_t>(i)].get(), i * i);
    EXPECT_EQ(after[static_cast<std::size_t>(i)].get(), i * i);
  }
}

TEST_P(CrashTest, ThePlaceIsTakenEachTime) {
  ProcessExecutor pool({.workers = 1, .grace = std::chrono::milliseconds(5)});
  for (int round = 0; round < 3; ++round) {
    explode(pool, GetParam());
    EXPECT_EQ(pool.submit(square, round).get(), round * round);
  }
  EXPECT_EQ(live_workers().size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(All, CrashTest, ::testing::ValuesIn(whole_table()), [](const auto& info) {
  return name_of(info.param.point) + name_of(info.param.way);
});

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
      const std::vector<pid_t> workers = serving_workers();
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

/// Kills one worker after another, a task apart at least: three that die in a row before they could
/// do anything are taken for workers that cannot.
class Killer {
 public:
  explicit Killer(const Executor& pool) {
    thread_ = std::jthread([this, &pool](const std::stop_token& over) {
      std::uint64_t done = 0;
      while (!over.stop_requested()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        const std::vector<pid_t> workers = serving_workers();
        if (workers.empty() || pool.stats().done == done) continue;
        done = pool.stats().done;
        ::kill(workers[kills_++ % workers.size()], SIGKILL);
      }
    });
  }
  /// Returns how many it has killed.
  unsigned stop() {
    thread_.request_stop();
    thread_.join();
    return kills_;
  }

 private:
  unsigned kills_ = 0;
  std::jthread thread_;
};

/// 10,000 tasks while somebody kills a worker every 5 ms: no result is lost, doubled or wrong.
TEST(ChaosTest, TheSumIsExactThoughWorkersAreKilledAllTheTime) {
  ProcessExecutor pool({.workers = 2});
  Killer killer(pool);
  const auto work = [](long x) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(x % 100);
    while (std::chrono::steady_clock::now() < end) {
    }
    return x;
  };
  std::vector<Future<long>> futures;
  for (long i = 0; i < 10'000; ++i)
    futures.push_back(pool.submit({.retry = {.attempts = 1000}}, work, i));
  long sum = 0;
  for (auto& future : futures) sum += future.get();
  EXPECT_GT(killer.stop(), 0u);
  EXPECT_EQ(sum, 10'000L * 9'999 / 2);
}

/// The same with large arguments and results, whose memory travels beside the ring.
TEST(ChaosTest, SharedArraysSurviveTheDeathOfWorkersThatHoldThem) {
  ProcessExecutor pool({.workers = 2});
  Killer killer(pool);
  const auto input = core::SharedArray<int>::copy_of(std::vector<int>(50'000, 3));
  const auto scale = [](const core::SharedArray<int>& a, int factor) {
    core::SharedArray<int> result(a.size());
    for (std::size_t i = 0; i < a.size(); ++i) result.writable()[i] = a[i] * factor;
    return result;
  };
  std::vector<Future<core::SharedArray<int>>> futures;
  for (int i = 0; i < 300; ++i)
    futures.push_back(pool.submit({.retry = {.attempts = 1000}}, scale, input, i));
  for (int i = 0; i < 300; ++i) {
    const auto result = futures[static_cast<std::size_t>(i)].get();
    ASSERT_EQ(result.size(), 50'000u);
    ASSERT_EQ(result[0], 3 * i);
    ASSERT_EQ(result[49'999], 3 * i);
  }
  killer.stop();
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

TEST(GrandchildTest, WhatDetachedItselfEndsWithItsWorkerToo) {
  pid_t daemon = 0;
  {
    ProcessExecutor pool({.workers = 1});
    daemon = pool.submit([] {
                   int pipe[2];
                   if (::pipe(pipe) != 0) return 0;
                   const pid_t child = ::fork();
                   if (child == 0) {
                     ::setsid();
                     const pid_t second = ::fork();
                     if (second == 0) {
                       for (;;) ::pause();
                     }
                     const bool told = ::write(pipe[1], &second, sizeof second) == sizeof second;
                     ::_exit(told ? 0 : 1);
                   }
                   pid_t number = 0;
                   if (::read(pipe[0], &number, sizeof number) != sizeof number) return 0;
                   ::waitpid(child, nullptr, 0);
                   ::close(pipe[0]);
                   ::close(pipe[1]);
                   return number;
                 })
                 .get();
    ASSERT_GT(daemon, 0);
    EXPECT_EQ(::kill(daemon, 0), 0);
  }
  while (::kill(daemon, 0) == 0) std::this_thread::yield();
}

TEST(GrandchildTest, AProgramThatATaskStartsInheritsNoDescriptor) {
  ProcessExecutor pool({.workers = 2});
  const auto open_in_program = [] {
    std::FILE* const list = ::popen("ls /proc/self/fd", "r");
    std::vector<int> found;
    int fd = 0;
    while (list != nullptr && std::fscanf(list, "%d", &fd) == 1) found.push_back(fd);
    ::pclose(list);
    return found;
  };
  // The last is the folder that ls reads.
  EXPECT_EQ(pool.submit(open_in_program).get(), (std::vector<int>{0, 1, 2, 3}));
}

TEST(CrashRaceTest, ManyThreadsMaySubmitWhileWorkersAreReplaced) {
  ProcessExecutor pool({.workers = 2, .max_tasks_per_worker = 3});
  std::vector<std::thread> threads;
  std::atomic<int> sum{0};
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) sum += pool.submit(square, i).get();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, 16 * 2470);
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

template <class E, class F>
bool throws(F body) {
  try {
    body();
    return false;
  } catch (const E&) {
    return true;
  }
}

TEST(ForkTest, NothingThatServesTasksIsThereInAProcessThatTheUserForked) {
  ProcessExecutor pool({.workers = 1});
  ThreadExecutor threads({.threads = 1});
  const auto blocked = [](int fd) {
    char go;
    return ::read(fd, &go, 1) == 1 ? 5 : 0;
  };
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  Future<int> ready = pool.submit(square, 2);
  ready.wait();
  Future<int> running = pool.submit(hang);
  Future<int> on_thread = threads.submit([&] { return blocked(pipe[0]); });
  const pid_t child = ::fork();
  if (child == 0) {
    int failures = 0;
    const auto expect = [&failures](bool good) { failures += good ? 0 : 1; };
    expect(throws<ExecutorClosed>([&] { (void)pool.submit(square, 3); }));
    expect(throws<ExecutorClosed>([&] { (void)threads.submit(square, 3); }));
    expect(throws<ExecutorClosed>([&] { (void)pool.map(square, std::vector<int>{1, 2}); }));
    expect(ready.get() == 4);
    expect(!running.cancel());
    expect(running.ready());
    expect(throws<ExecutorClosed>([&] { running.get(); }));
    expect(throws<ExecutorClosed>([&] { on_thread.get(); }));
    expect(throws<core::Unsupported>([] { ProcessExecutor another({.workers = 1}); }));
    // What it makes itself serves it.
    expect(ThreadExecutor({.threads = 1}).submit(square, 3).get() == 9);
    expect(InlineExecutor().submit(square, 3).get() == 9);
    ::_exit(failures);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(WEXITSTATUS(status), 0) << "so many expectations failed in the child";
  EXPECT_FALSE(running.ready());
  running.cancel();
  EXPECT_THROW(running.get(), Cancelled);
  EXPECT_EQ(::write(pipe[1], "x", 1), 1);
  EXPECT_EQ(on_thread.get(), 5);
  EXPECT_EQ(pool.submit(square, 3).get(), 9);
  ::close(pipe[0]);
  ::close(pipe[1]);
}

}  // namespace
}  // namespace mutirao::exec
