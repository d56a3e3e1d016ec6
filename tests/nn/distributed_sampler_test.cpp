#include "mutirao/nn/distributed_sampler.hpp"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/serialize/archive.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/random.hpp"

namespace mutirao::nn {
namespace {

using testing::ElementsAre;

std::vector<std::size_t> rest_of(DistributedSampler& sampler, std::size_t batch = 3) {
  std::vector<std::size_t> found;
  while (auto indices = sampler.next(batch))
    found.insert(found.end(), indices->begin(), indices->end());
  return found;
}

std::vector<std::vector<std::size_t>> epoch_of(std::size_t size, int ranks, SamplerTail tail,
                                               std::uint64_t epoch, std::uint64_t seed = 3) {
  std::vector<std::vector<std::size_t>> found;
  for (int rank = 0; rank < ranks; ++rank) {
    DistributedSampler sampler(size,
                               {.rank = rank, .world_size = ranks, .seed = seed, .tail = tail});
    sampler.set_epoch(epoch);
    found.push_back(rest_of(sampler));
    EXPECT_EQ(found.back().size(), sampler.size());
  }
  return found;
}

TEST(DistributedSampler, TheOrderIsTheDocumentedShuffle) {
  std::vector<std::size_t> expected(101);
  std::iota(expected.begin(), expected.end(), std::size_t{0});
  core::RandomStream random({7, 0x73616d706c6572, 4});
  for (std::size_t i = 100; i > 0; --i) std::swap(expected[i], expected[random.below(i + 1)]);
  EXPECT_EQ(sampler_order(101, 7, 4), expected);
}

TEST(DistributedSampler, TheOrderIsTheSameForEver) {
  EXPECT_THAT(sampler_order(8, 0, 0), ElementsAre(5, 4, 2, 7, 1, 3, 0, 6));
}

TEST(DistributedSampler, RanksTakeTurnsInOneOrder) {
  const auto order = sampler_order(12, 3, 5);
  const auto ranks = epoch_of(12, 3, SamplerTail::kPad, 5);
  for (std::size_t place = 0; place < 12; ++place)
    EXPECT_EQ(ranks[place % 3][place / 3], order[place]);
}

TEST(DistributedSampler, EpochsAndSeedsDiffer) {
  const auto one = epoch_of(50, 2, SamplerTail::kPad, 0);
  EXPECT_EQ(epoch_of(50, 2, SamplerTail::kPad, 0), one);
  EXPECT_NE(epoch_of(50, 2, SamplerTail::kPad, 1), one);
  EXPECT_NE(epoch_of(50, 2, SamplerTail::kPad, 0, 4), one);
}

TEST(DistributedSampler, PaddingGivesEveryRankTheSameNumber) {
  for (const std::size_t size : {0, 1, 2, 3, 4, 5, 11}) {
    const auto ranks = epoch_of(size, 4, SamplerTail::kPad, 1);
    std::set<std::size_t> seen;
    for (const auto& indices : ranks) {
      EXPECT_EQ(indices.size(), (size + 3) / 4) << size;
      seen.insert(indices.begin(), indices.end());
    }
    EXPECT_EQ(seen.size(), size);
  }
}

TEST(DistributedSampler, DroppingGivesNoExampleTwice) {
  for (const std::size_t size : {0, 1, 3, 4, 5, 11}) {
    std::vector<std::size_t> all;
    for (const auto& indices : epoch_of(size, 4, SamplerTail::kDrop, 1)) {
      EXPECT_EQ(indices.size(), size / 4) << size;
      all.insert(all.end(), indices.begin(), indices.end());
    }
    EXPECT_EQ(std::set<std::size_t>(all.begin(), all.end()).size(), all.size());
  }
}

TEST(DistributedSampler, AnUnevenTailGivesEveryExampleOnce) {
  const auto ranks = epoch_of(11, 4, SamplerTail::kUneven, 2);
  std::vector<std::size_t> all;
  for (const auto& indices : ranks) all.insert(all.end(), indices.begin(), indices.end());
  std::sort(all.begin(), all.end());
  std::vector<std::size_t> every(11);
  std::iota(every.begin(), every.end(), std::size_t{0});
  EXPECT_EQ(all, every);
  EXPECT_EQ(ranks[0].size(), 3u);
  EXPECT_EQ(ranks[3].size(), 2u);
}

TEST(DistributedSampler, WithoutShufflingTheOrderIsThatOfTheData) {
  DistributedSampler sampler(6, {.rank = 1, .world_size = 2, .shuffle = false});
  EXPECT_THAT(rest_of(sampler), ElementsAre(1, 3, 5));
}

TEST(DistributedSampler, ALoaderThatBeginsAgainGetsTheNextEpoch) {
  DistributedSampler sampler(20, {.seed = 1});
  sampler.reset();
  EXPECT_EQ(sampler.epoch(), 0u);
  const auto first = rest_of(sampler);
  sampler.reset();
  EXPECT_EQ(sampler.epoch(), 1u);
  EXPECT_NE(rest_of(sampler), first);
}

TEST(DistributedSampler, AnotherSizeBeginsAnEpochOfThatSize) {
  DistributedSampler sampler(20, {});
  sampler.reset(7);
  EXPECT_EQ(rest_of(sampler).size(), 7u);
}

TEST(DistributedSampler, GoesOnWhereItWasSaved) {
  DistributedSampler sampler(31, {.rank = 1, .world_size = 2, .seed = 9});
  sampler.set_epoch(3);
  (void)sampler.next(4);
  torch::serialize::OutputArchive written;
  sampler.save(written);
  std::string bytes;
  written.save_to([&](const void* data, std::size_t size) {
    bytes.append(static_cast<const char*>(data), size);
    return size;
  });

  DistributedSampler other(31, {.rank = 1, .world_size = 2, .seed = 9});
  torch::serialize::InputArchive read;
  read.load_from(bytes.data(), bytes.size());
  other.load(read);
  other.reset();  // as a loader does when it begins
  EXPECT_EQ(other.epoch(), 3u);
  EXPECT_EQ(rest_of(other), rest_of(sampler));
}

TEST(DistributedSampler, RefusesWhatCannotBe) {
  EXPECT_THROW(DistributedSampler(3, {.rank = 2, .world_size = 2}), core::InvalidArgument);
  EXPECT_THROW(DistributedSampler(3, {.rank = -1, .world_size = 2}), core::InvalidArgument);
  DistributedSampler sampler(3, {});
  EXPECT_THROW(sampler.seek(0, 4), core::InvalidArgument);
}

}  // namespace
}  // namespace mutirao::nn
