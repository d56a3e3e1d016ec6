#include "mutirao/core/shared_memory.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
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

std::size_t open_descriptors() {
  return static_cast<std::size_t>(std::distance(
      std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator()));
}

/// What a receiver makes of it.
std::shared_ptr<SharedMemory> sent(const SharedMemory& memory) {
  return SharedMemory::open(UniqueFd(::fcntl(memory.descriptor(), F_DUPFD_CLOEXEC, 3)),
                            memory.offset(), memory.size(), memory.frozen());
}

TEST(SharedMemory, SmallOnesShareADescriptor) {
  const std::size_t before = open_descriptors();
  {
    std::vector<std::shared_ptr<SharedMemory>> all;
    for (int i = 0; i < 1000; ++i) all.push_back(SharedMemory::allocate(1000));
    EXPECT_EQ(open_descriptors(), before + 1);
    for (const auto& each : all) each->freeze();
    EXPECT_EQ(open_descriptors(), before + 2);
    std::vector<std::shared_ptr<SharedMemory>> received;
    for (const auto& each : all) received.push_back(sent(*each));
    EXPECT_EQ(open_descriptors(), before + 3);
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(SharedMemory, SmallOnesAreAlignedZeroAndApart) {
  std::vector<std::shared_ptr<SharedMemory>> all;
  std::size_t seed = 1;
  // More than one slab holds.
  for (std::size_t total = 0; total < 3 * SharedMemory::kSlab;) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    const std::size_t bytes = 1 + (seed >> 33) % (SharedMemory::kSlabbed - 1);
    all.push_back(SharedMemory::allocate(bytes));
    total += bytes;
    std::byte* const data = all.back()->data();
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(data) % 64, 0U);
    ASSERT_TRUE(std::all_of(data, data + bytes, [](std::byte b) { return b == std::byte{0}; }));
    std::fill_n(data, bytes, static_cast<std::byte>(all.size()));
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i]->freeze();
    const auto received = sent(*all[i]);
    ASSERT_EQ(received->size(), all[i]->size());
    ASSERT_NE(received->data(), all[i]->data());
    ASSERT_TRUE(std::all_of(received->data(), received->data() + received->size(),
                            [&](std::byte b) { return b == static_cast<std::byte>(i + 1); }))
        << i;
  }
}

TEST(SharedMemory, AReceiverOfASmallOneCannotWriteToItsNeighbours) {
  const auto one = SharedMemory::allocate(100);
  const auto two = SharedMemory::allocate(100);
  one->freeze();
  const int fd = one->descriptor();
  EXPECT_EQ(::mmap(nullptr, 100, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
  EXPECT_LT(::pwrite(fd, "x", 1, static_cast<off_t>(two->offset())), 0);
}

TEST(SharedMemory, WhatIsReceivedOutlivesWhatWasSent) {
  auto memory = SharedMemory::allocate(100);
  memory->data()[99] = std::byte{7};
  memory->freeze();
  const auto received = sent(*memory);
  memory.reset();
  EXPECT_EQ(received->data()[99], std::byte{7});
  EXPECT_EQ(sent(*received)->data()[99], std::byte{7});
}

TEST(SharedMemory, AForkedProcessCutsFromASlabOfItsOwn) {
  const auto first = SharedMemory::allocate(100);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto mine = SharedMemory::allocate(100);
    std::fill_n(mine->data(), 100, std::byte{1});
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  const auto second = SharedMemory::allocate(100);
  EXPECT_EQ(second->descriptor(), first->descriptor());
  EXPECT_EQ(second->data()[0], std::byte{0});
}

TEST(SharedMemory, ThreadsCutFromOneSlab) {
  std::vector<std::vector<std::shared_ptr<SharedMemory>>> all(4);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < all.size(); ++t) {
      threads.emplace_back([&all, t] {
        for (int i = 0; i < 500; ++i) {
          all[t].push_back(SharedMemory::allocate(5000));
          std::fill_n(all[t].back()->data(), 5000, static_cast<std::byte>(t + 1));
          all[t].back()->freeze();
        }
      });
    }
  }
  for (std::size_t t = 0; t < all.size(); ++t) {
    for (const auto& each : all[t]) {
      ASSERT_EQ(each->data()[0], static_cast<std::byte>(t + 1));
      ASSERT_EQ(each->data()[4999], static_cast<std::byte>(t + 1));
    }
  }
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
