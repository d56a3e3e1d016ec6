// What the system refuses, and what cannot be sent.

#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "leak_audit.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/shared_array.hpp"
#include "mutirao/exec/process_executor.hpp"
#include "mutirao/exec/thread_executor.hpp"

namespace mutirao::exec {
namespace {

int square(int x) { return x * x; }

/// While it lives this process can open no more descriptors.
class FullTable {
 public:
  FullTable() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit full = before_;
    full.rlim_cur = 0;
    ::setrlimit(RLIMIT_NOFILE, &full);
  }
  ~FullTable() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST(BadInputTest, AFullTableOfDescriptorsIsAnErrorAndLeavesNothing) {
  // What a process opens once, at its first executor, is not a leak.
  ProcessExecutor({.workers = 1}).submit(square, 1).get();
  const auto before = open_descriptors();
  {
    ProcessExecutor pool({.workers = 1});
    EXPECT_EQ(pool.submit(square, 2).get(), 4);
    {
      const FullTable full;
      EXPECT_THROW(ProcessExecutor({.workers = 1}), core::IoError);
      EXPECT_THROW(core::SharedArray<int>(10), core::IoError);
      // What needs no descriptor goes on.
      EXPECT_EQ(pool.submit(square, 3).get(), 9);
    }
    EXPECT_EQ(pool.submit(square, 4).get(), 16);
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(BadInputTest, AFullTableInTheWorkerFailsThatTask) {
  ProcessExecutor pool({.workers = 1});
  const auto array = core::SharedArray<int>::copy_of(std::vector<int>(100'000, 1));
  EXPECT_THROW(pool.submit([] {
                     const FullTable full;
                     return core::SharedArray<int>(10)[0];
                   })
                   .get(),
               core::IoError);
  EXPECT_EQ(pool.submit([](const core::SharedArray<int>& a) { return a[7]; }, array).get(), 1);
}

struct Unknown {};
struct UnknownError : std::exception {
  const char* what() const noexcept override { return "odd"; }
};

TEST(BadInputTest, AnExceptionThatCannotBeSentArrivesAsItsNameAndMessage) {
  ProcessExecutor pool({.workers = 1});
  try {
    pool.submit([] { throw UnknownError(); }).get();
    FAIL();
  } catch (const TaskError& error) {
    EXPECT_STREQ(error.what(), "odd");
    EXPECT_NE(error.type().find("UnknownError"), std::string::npos);
  }
  EXPECT_THROW(pool.submit([] { throw Unknown(); }).get(), TaskError);
  EXPECT_THROW(pool.submit([] { throw 7; }).get(), TaskError);
  EXPECT_EQ(pool.submit(square, 2).get(), 4);
}

/// Cannot be copied without an exception.
struct Uncopyable {
  Uncopyable() = default;
  Uncopyable(const Uncopyable&) { throw std::runtime_error("no copies"); }
  Uncopyable& operator=(const Uncopyable&) = default;
  template <class Archive>
  void serialize(Archive&) {}
};

TEST(BadInputTest, WhatThrowsWhenItIsCopiedIsSentAllTheSame) {
  ProcessExecutor pool({.workers = 1});
  const Uncopyable argument;
  EXPECT_EQ(pool.submit([](const Uncopyable&) { return 3; }, argument).get(), 3);
  ThreadExecutor threads({.threads = 1});
  EXPECT_THROW((void)threads.submit([](const Uncopyable&) { return 3; }, argument),
               std::runtime_error);
  EXPECT_EQ(threads.submit(square, 2).get(), 4);
}

TEST(BadInputTest, ATaskThatClosesItsWorkersDescriptorsHarmsOnlyItsWorker) {
  ProcessExecutor pool({.workers = 2});
  Future<int> vandal = pool.submit([] {
    for (int fd = 3; fd < 64; ++fd) ::close(fd);
    return 1;
  });
  EXPECT_EQ(vandal.get(), 1);
  const auto array = core::SharedArray<int>::copy_of(std::vector<int>(100'000, 1));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(pool.submit(square, i).get(), i * i);
  int read = 0;
  for (int i = 0; i < 10; ++i) {
    try {
      read += pool.submit([](const core::SharedArray<int>& a) { return a[7]; }, array).get();
    } catch (const core::Error&) {
    }
  }
  EXPECT_GE(read, 1);
}

}  // namespace
}  // namespace mutirao::exec
