// What the system refuses a program, and files that change under it.

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "forbid_memory_files.hpp"
#include "program.hpp"

namespace mutirao::exec {
namespace {

namespace fs = std::filesystem;

class SurroundingsTest : public ProgramTest {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("mutirao_programs_" + std::to_string(::getpid()) + (thread_first() ? "_e" : "_f"));
    fs::create_directories(folder_);
  }
  void TearDown() override {
    ProgramTest::TearDown();
    fs::remove_all(folder_);
  }
  fs::path folder_;
};

INSTANTIATE_TEST_SUITE_P(Workers, SurroundingsTest, ::testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "Executed" : "Forked");
});

TEST_P(SurroundingsTest, WithoutMemoryFilesThreadsStillWork) {
  Program program(thread_first(), {"memory_files_refused"});
  EXPECT_EQ(program.wait(), 0);
  if (thread_first()) return;
  Program later(false, {"memory_files_refused_before"}, forbid_memory_files);
  EXPECT_EQ(later.wait(), 0);
}

TEST_P(SurroundingsTest, SharedArraysNeedNoRoomInDevShm) {
  Program program(thread_first(), {"large_arrays"}, [] {
    return ::unshare(CLONE_NEWNS) == 0 &&
           ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           ::mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=4096") == 0;
  });
  const int status = program.wait();
  if (status == 99) GTEST_SKIP() << "this user may not mount";
  EXPECT_EQ(status, 0);
}

/// A control group that may be used, with so little memory; none where this user may not make any.
class SmallGroup {
 public:
  explicit SmallGroup(const std::string& bytes) {
    for (const std::string& root :
         {std::string("/sys/fs/cgroup/memory"), std::string("/sys/fs/cgroup")}) {
      const std::string folder = root + "/mutirao-programs-" + std::to_string(::getpid());
      std::error_code error;
      if (!fs::create_directory(folder, error)) continue;
      for (const char* file : {"/memory.limit_in_bytes", "/memory.max"}) {
        if (fs::exists(folder + file) && (std::ofstream(folder + file) << bytes << std::flush)) {
          folder_ = folder;
          // Swapping would only put it off.
          std::ofstream(folder + "/memory.swappiness") << 0;
          std::ofstream(folder + "/memory.swap.max") << 0;
          return;
        }
      }
      fs::remove(folder, error);
    }
  }
  ~SmallGroup() {
    if (folder_.empty()) return;
    EXPECT_EQ(::rmdir(folder_.c_str()), 0) << folder_ << " is left";
  }
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
};

TEST_P(SurroundingsTest, AWorkerThatTheKernelKillsForMemoryIsReportedAsThat) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer's memory counts";
  const SmallGroup group("268435456");
  if (group.folder().empty()) GTEST_SKIP() << "this user may not make control groups";
  {
    Program program(thread_first(), {"killed_for_memory"}, [&] {
      return static_cast<bool>(std::ofstream(group.folder() + "/cgroup.procs")
                               << ::getpid() << std::flush);
    });
    EXPECT_EQ(program.line(), "main begins");
    EXPECT_EQ(program.line(), "");
    EXPECT_EQ(program.wait(), 0);
  }
  Program::wait_until_nothing_is_left();
}

TEST_P(SurroundingsTest, TheProgramMayBeReplacedOnDiskWhileItRuns) {
  const fs::path copy = folder_ / "program";
  fs::copy_file(MUTIRAO_TEST_PROGRAM, copy);
  Program program(thread_first(), {"replaced_on_disk"}, nullptr, copy.c_str());
  EXPECT_EQ(program.line(), "main begins");
  EXPECT_EQ(program.line(), "ready");
  std::ofstream(folder_ / "other") << "no program at all";
  fs::rename(folder_ / "other", copy);
  program.write("go on\n");
  EXPECT_EQ(program.line(), "");
  EXPECT_EQ(program.wait(), 0);
}

TEST_P(SurroundingsTest, AWorkerThatFindsAChangedLibraryDoesNotServe) {
  if (kSanitized) GTEST_SKIP() << "the sanitizers want to be loaded first";
  const fs::path library = folder_ / "library.so";
  fs::copy_file(MUTIRAO_TEST_BUILD_1, library);
  Program program(thread_first(), {"changed_library"},
                  [&] { return ::setenv("LD_PRELOAD", library.c_str(), 1) == 0; });
  EXPECT_EQ(program.line(), "main begins");
  EXPECT_EQ(program.line(), "ready");
  fs::copy_file(MUTIRAO_TEST_BUILD_2, folder_ / "new.so");
  fs::rename(folder_ / "new.so", library);
  program.write("go on\n");
  if (thread_first()) {
    EXPECT_EQ(program.line(),
              "cannot start a worker: a file of the program has changed since it started");
    EXPECT_EQ(program.wait(), 0);
  } else {
    // What was loaded before is what workers are forked with.
    EXPECT_EQ(program.wait(), 1);
  }
}

TEST_P(SurroundingsTest, AWorkerThatNeverReachesTheRuntimeIsAnError) {
  if (!thread_first()) GTEST_SKIP() << "a forked worker is there from the start";
  const fs::path file = folder_ / "lock";
  Program program(true, {"workers_never_arrive"},
                  [&] { return ::setenv("MUTIRAO_TEST_LOCK", file.c_str(), 1) == 0; });
  EXPECT_EQ(program.line(), "main begins");
  EXPECT_EQ(program.line(), "cannot start a worker: it does not reach the Runtime in time");
  EXPECT_EQ(program.wait(), 0);
}

TEST_P(SurroundingsTest, DeadlinesKeepToASteadyClock) {
  if (kSanitized) GTEST_SKIP() << "the sanitizers want to be loaded first";
  Program program(thread_first(), {"jumping_clock"},
                  [] { return ::setenv("LD_PRELOAD", MUTIRAO_TEST_JUMPING_CLOCK, 1) == 0; });
  EXPECT_EQ(program.wait(), 0);
}

TEST_P(SurroundingsTest, TheTimeInWhichAProgramIsStoppedIsNotItsTasks) {
  if (thread_first()) GTEST_SKIP() << "how workers begin makes no difference";
  Program program(false, {"stopped"});
  EXPECT_EQ(program.line(), "main begins");
  const pid_t worker = std::stoi(program.line());
  program.wait_until_stopped();
  const auto over = std::chrono::steady_clock::now() + std::chrono::milliseconds(600);
  while (std::chrono::steady_clock::now() < over) std::this_thread::yield();
  program.send(SIGCONT);
  ::kill(worker, SIGCONT);
  EXPECT_EQ(program.wait(), 7);
}

TEST_P(SurroundingsTest, ProgramsMayBeLinkedInOtherWays) {
  for (const char* const file : {MUTIRAO_TEST_FIXED_PROGRAM, MUTIRAO_TEST_STATIC_RUNTIME_PROGRAM}) {
    Program program(thread_first(), {"everything"}, nullptr, file);
    EXPECT_EQ(program.line(), "main begins");
    EXPECT_EQ(program.line(), "") << file;
    EXPECT_EQ(program.wait(), 0) << file;
  }
}

}  // namespace
}  // namespace mutirao::exec
