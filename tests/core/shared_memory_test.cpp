#include "mutirao/core/shared_memory.hpp"

#include <cerrno>
#include <csignal>
#include <cstdint>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/process.hpp"

namespace mutirao::core {
namespace {

int error_of_reserving(std::size_t bytes) {
  try {
    create_reserved_memory_file(bytes);
  } catch (const IoError& error) {
    return error.error_number();
  }
  return 0;
}

TEST(ReservedMemoryFile, HoldsAllOfItsMemoryFromTheStart) {
  const UniqueFd fd = create_reserved_memory_file(1 << 20);
  struct stat found {};
  ASSERT_EQ(::fstat(fd.get(), &found), 0);
  EXPECT_EQ(found.st_size, 1 << 20);
  EXPECT_EQ(found.st_blocks * 512, 1 << 20);
  EXPECT_EQ(error_of_reserving(0), 0);
}

TEST(ReservedMemoryFile, MoreThanThereIsIsAnErrorAndKillsNobody) {
  EXPECT_EQ(error_of_reserving(std::size_t{1} << 60), ENOSPC);
}

TEST(ReservedMemoryFile, WhatTheSystemRefusesIsAnError) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ::_exit(error_of_reserving(1 << 20) == EFBIG ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Process, AStoppedOneIsSeen) {
  EXPECT_FALSE(is_stopped(::getpid()));
  const pid_t child = ::fork();
  if (child == 0) {
    ::raise(SIGSTOP);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  EXPECT_TRUE(is_stopped(child));
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_FALSE(is_stopped(child));
}

}  // namespace
}  // namespace mutirao::core
