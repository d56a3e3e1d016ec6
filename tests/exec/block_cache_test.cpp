#include "mutirao/exec/internal/block_cache.hpp"

#include <cstddef>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/archive.hpp"
#include "mutirao/exec/process_executor.hpp"

namespace mutirao::exec {
namespace {

using internal::BlockCache;

constexpr std::size_t kMiB = 1 << 20;

TEST(BlockCacheTest, ABlockIsGivenAgainOnlyWhenNobodyRefersToIt) {
  BlockCache cache;
  auto first = cache.take(3 * kMiB);
  auto second = cache.take(3 * kMiB);
  ASSERT_TRUE(first && second);
  EXPECT_NE(first->data(), second->data());
  const std::byte* const place = first->data();
  first = nullptr;
  EXPECT_EQ(cache.take(2 * kMiB)->data(), place);
}

TEST(BlockCacheTest, ABlockThatIsFarTooLargeIsNotGiven) {
  BlockCache cache;
  EXPECT_EQ(cache.take(32 * kMiB)->size(), 32 * kMiB);
  EXPECT_EQ(cache.take(kMiB)->size(), kMiB);
}

TEST(BlockCacheTest, WhatIsTooLargeOrTooMuchIsRefused) {
  BlockCache cache;
  EXPECT_EQ(cache.take(BlockCache::kMostBytes + 1), nullptr);
  std::vector<std::shared_ptr<core::SharedMemory>> held;
  for (std::size_t i = 0; i < BlockCache::kMostBlocks; ++i) held.push_back(cache.take(kMiB));
  EXPECT_TRUE(held.back());
  EXPECT_EQ(cache.take(kMiB), nullptr);
}

TEST(BlockCacheTest, BlocksThatAreNotUsedAreLetGoOf) {
  BlockCache cache;
  auto held = cache.take(kMiB);
  EXPECT_TRUE(cache.age());
  EXPECT_TRUE(cache.age());
  held = nullptr;
  EXPECT_FALSE(cache.age());
}

std::vector<int> shifted(const std::vector<int>& values, int by) {
  std::vector<int> result(values);
  for (int& each : result) each += by;
  return result;
}

TEST(LargeVectorTest, EverySizeAroundThatOfALargeBlockArrivesWhole) {
  ProcessExecutor pool({.workers = 1});
  for (const std::size_t bytes : {core::kLargeBlock - 1, core::kLargeBlock, core::kLargeBlock + 1,
                                  9 * kMiB + 3, std::size_t{0}}) {
    std::vector<char> values(bytes);
    std::iota(values.begin(), values.end(), char{0});
    EXPECT_EQ(pool.submit([](std::vector<char> v) { return v; }, values).get(), values);
  }
}

TEST(LargeVectorTest, WhatIsUnreadStaysAsItIsWhileOthersComeAndGo) {
  ProcessExecutor pool({.workers = 2});
  const std::vector<int> zeros(kMiB);
  std::vector<Future<std::vector<int>>> unread;
  for (int i = 0; i < 12; ++i) {
    unread.push_back(pool.submit(shifted, zeros, i));
    for (int j = 0; j < 3; ++j)
      ASSERT_EQ(pool.submit(shifted, zeros, 100 + j).get(), std::vector<int>(kMiB, 100 + j));
  }
  for (int i = 0; i < 12; ++i)
    EXPECT_EQ(unread[static_cast<std::size_t>(i)].get(), std::vector<int>(kMiB, i));
}

const std::vector<double>& kept_by_the_worker() {
  static const std::vector<double> values(kMiB, 0.5);
  return values;
}

TEST(LargeVectorTest, ATaskMayReturnAReferenceToWhatItKeeps) {
  ProcessExecutor pool({.workers = 1});
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(pool.submit(kept_by_the_worker).get(), std::vector<double>(kMiB, 0.5));
}

TEST(LargeVectorTest, SeveralInOneArgumentArriveInTheirOrder) {
  ProcessExecutor pool({.workers = 1});
  const std::vector<std::vector<double>> columns(6, std::vector<double>(kMiB / 8, 2.0));
  const double sum = pool.submit(
                             [](const std::vector<std::vector<double>>& all) {
                               double total = 0;
                               for (const auto& each : all)
                                 total += std::accumulate(each.begin(), each.end(), 0.0);
                               return total;
                             },
                             columns)
                         .get();
  EXPECT_EQ(sum, 6 * 2.0 * (kMiB / 8));
}

}  // namespace
}  // namespace mutirao::exec
