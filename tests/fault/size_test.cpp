// Arguments and results at the borders of what holds them: nothing, a slot, the arena, 4 GiB.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <span>
#include <string>
#include <vector>

#include <sys/mman.h>

#include <gtest/gtest.h>
#include <cereal/types/vector.hpp>

#include "leak_audit.hpp"
#include "mutirao/core/shared_array.hpp"
#include "mutirao/exec/internal/channel.hpp"
#include "mutirao/exec/process_executor.hpp"

namespace mutirao::exec {
namespace {

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
  return text;
}

std::size_t check(const std::string& text) {
  return text == pattern(text.size()) ? text.size() : ~std::size_t{0};
}

/// A string of n bytes is encoded in 8 more; a call in a few more than that.
constexpr std::size_t kOwn = 8;
constexpr std::size_t kMostOfACall = 64;

class SizeTest : public ::testing::TestWithParam<std::size_t> {};

INSTANTIATE_TEST_SUITE_P(All, SizeTest,
                         ::testing::Values(internal::Slot::kInline,
                                           internal::Channel::kLargestInArena,
                                           internal::Channel::kArena),
                         [](const auto& info) { return std::to_string(info.param); });

TEST_P(SizeTest, ResultsAroundABorderArriveWhole) {
  ProcessExecutor pool({.workers = 1});
  for (std::size_t bytes = GetParam() - 2; bytes <= GetParam() + 2; ++bytes) {
    std::vector<Future<std::string>> futures;
    for (int i = 0; i < 6; ++i) futures.push_back(pool.submit(pattern, bytes - kOwn));
    for (auto& future : futures) EXPECT_EQ(future.get(), pattern(bytes - kOwn));
  }
}

TEST_P(SizeTest, ArgumentsAroundABorderArriveWhole) {
  ProcessExecutor pool({.workers = 1});
  for (std::size_t size = GetParam() - kOwn - kMostOfACall; size <= GetParam() + 2; ++size)
    ASSERT_EQ(pool.submit(check, pattern(size)).get(), size);
}

TEST(SizeTest, NothingArrivesAsNothing) {
  ProcessExecutor pool({.workers = 1});
  EXPECT_EQ(pool.submit(pattern, std::size_t{0}).get(), "");
  EXPECT_EQ(pool.submit(check, std::string()).get(), 0u);
  pool.submit([] {}).get();
  EXPECT_TRUE(pool.submit([] { return std::vector<int>(); }).get().empty());
  const auto same = [](const core::SharedArray<int>& array) { return array; };
  EXPECT_TRUE(pool.submit(same, core::SharedArray<int>(0)).get().empty());
  EXPECT_TRUE(pool.submit(same, core::SharedArray<int>()).get().empty());
}

constexpr std::size_t kBeyond32Bits = (std::size_t{1} << 32) + 1;

/// Pages that nobody writes take no memory.
TEST(SizeTest, ASharedArrayMayBeLargerThan4GiB) {
  ProcessExecutor pool({.workers = 1});
  const auto make = [](std::size_t size) {
    core::SharedArray<char> array(size);
    array.writable()[0] = 'a';
    array.writable()[size - 1] = 'z';
    return array;
  };
  const core::SharedArray<char> array = pool.submit(make, kBeyond32Bits).get();
  ASSERT_EQ(array.size(), kBeyond32Bits);
  EXPECT_EQ(array[0], 'a');
  EXPECT_EQ(array[1], '\0');
  EXPECT_EQ(array[kBeyond32Bits - 1], 'z');
  const auto last = [](const core::SharedArray<char>& a) { return a[a.size() - 1]; };
  EXPECT_EQ(pool.submit(last, array).get(), 'z');
}

std::uint64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  std::uint64_t kibibytes = 0;
  while (file >> key >> kibibytes) {
    if (key == "MemAvailable:") return kibibytes * 1024;
    file.ignore(100, '\n');
  }
  return 0;
}

/// So many zeros, then a 'z'. Those of the sender take no memory: its pages are never written.
struct ManyZeros {
  std::size_t size = 0;
  bool ends_well = false;

  template <class Archive>
  void save(Archive& archive) const {
    archive(size);
    void* const zeros = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (zeros == MAP_FAILED) throw std::bad_alloc();
    static_cast<char*>(zeros)[size - 1] = 'z';
    archive(cereal::binary_data(static_cast<char*>(zeros), size));
    ::munmap(zeros, size);
  }
  template <class Archive>
  void load(Archive& archive) {
    archive(size);
    const std::span<const std::byte> bytes = archive.block(size);
    ends_well = bytes.front() == std::byte{0} && bytes.back() == std::byte{'z'};
  }
};

TEST(SizeTest, AResultMayBeLargerThan4GiB) {
  if (std::getenv("MUTIRAO_TEST_LARGE") == nullptr)
    GTEST_SKIP() << "takes 13 GiB and half a minute; MUTIRAO_TEST_LARGE=1 runs it";
  // Its encoding, the file it travels in, and what the future holds.
  constexpr std::uint64_t kNeeded = 3 * kBeyond32Bits + (std::uint64_t{1} << 30);
  ASSERT_GE(available_memory(), kNeeded);
  ProcessExecutor pool({.workers = 1});
  const auto make = [](std::size_t size) { return ManyZeros{size}; };
  const ManyZeros zeros = pool.submit(make, kBeyond32Bits).get();
  EXPECT_EQ(zeros.size, kBeyond32Bits);
  EXPECT_TRUE(zeros.ends_well);
}

/// Each small array would have been a descriptor here and one in the worker.
TEST(SizeTest, ThousandsOfSmallArraysNeedAHandfulOfDescriptors) {
  ProcessExecutor pool({.workers = 1});
  std::vector<core::SharedArray<int>> arrays;
  for (int i = 0; i < 3000; ++i) arrays.push_back(core::SharedArray<int>::copy_of(std::vector{i}));
  const auto doubled = [](const std::vector<core::SharedArray<int>>& all) {
    std::vector<core::SharedArray<int>> results;
    for (const auto& each : all)
      results.push_back(core::SharedArray<int>::copy_of(std::vector{2 * each[0]}));
    const auto open = std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                                    std::filesystem::directory_iterator());
    results.push_back(core::SharedArray<int>::copy_of(std::vector{static_cast<int>(open)}));
    return results;
  };
  const std::vector<core::SharedArray<int>> results = pool.submit(doubled, arrays).get();
  ASSERT_EQ(results.size(), 3001U);
  for (int i = 0; i < 3000; ++i) ASSERT_EQ(results[static_cast<std::size_t>(i)][0], 2 * i);
  EXPECT_LT(results.back()[0], 40);
}

}  // namespace
}  // namespace mutirao::exec
