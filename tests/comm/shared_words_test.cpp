// What the ranks of a box share, run by threads of one process over one mapping: there
// ThreadSanitizer sees it.

#include <cstring>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "complaint.hpp"
#include "mutirao/comm/internal/box_collectives.hpp"
#include "mutirao/comm/internal/box_messages.hpp"
#include "mutirao/core/futex.hpp"
#include "reference.hpp"

namespace mutirao::comm::internal {
namespace {

using testing::HasSubstr;

/// Memory of a box and one buffer per rank, all in this process.
class Box {
 public:
  explicit Box(std::uint32_t ranks, std::size_t buffer_bytes = 0) {
    const BoxMemory::Shape shape{ranks, 4096, 64};
    const std::size_t bytes = BoxMemory::bytes_of(shape);
    base_.reset(static_cast<std::byte*>(::operator new (bytes, std::align_val_t{4096})));
    std::memset(base_.get(), 0, bytes);
    memory_.emplace(base_.get(), shape);
    memory_->start();
    segments_ = std::make_shared<Segments>();
    segments_->bytes = buffer_bytes;
    for (std::uint32_t i = 0; i < ranks; ++i) {
      members_.push_back(static_cast<int>(i));
      buffers_.emplace_back(buffer_bytes + 8);
    }
    for (auto& buffer : buffers_) segments_->bases.push_back(buffer.data());
  }

  const BoxMemory& memory() const { return *memory_; }
  const std::shared_ptr<Segments>& segments() const { return segments_; }
  const std::vector<int>& members() const { return members_; }
  std::byte* buffer(std::size_t i) { return buffers_[i].data(); }

  BoxCollectives collectives(std::size_t index, std::size_t chunk_bytes, std::size_t small_bytes) {
    return {*memory_,
            {.index = index,
             .members = members_,
             .world_size = static_cast<int>(members_.size()),
             .chunk_bytes = chunk_bytes,
             .small_bytes = small_bytes}};
  }

  template <class Body>
  void on_every_rank(Body body) {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < members_.size(); ++i) threads.emplace_back([&body, i] { body(i); });
    for (std::thread& thread : threads) thread.join();
  }

 private:
  struct Free {
    void operator()(std::byte* bytes) const { ::operator delete (bytes, std::align_val_t{4096}); }
  };
  std::unique_ptr<std::byte, Free> base_;
  std::optional<BoxMemory> memory_;
  std::shared_ptr<Segments> segments_;
  std::vector<int> members_;
  std::vector<std::vector<std::byte>> buffers_;
};

void finish(BoxCollectives& ring, Collective& collective) {
  while (!ring.advance(collective, BoxCollectives::Help::kEverything)) std::this_thread::yield();
}

Collective all_reduce_of(const Box& box, std::uint64_t sequence, std::uint64_t count,
                         std::uint64_t offset = 0) {
  Collective collective;
  collective.sequence = sequence;
  collective.segments = box.segments();
  collective.header = {.count = count,
                       .offset = offset,
                       .operation = Operation::kAllReduce,
                       .type = DataType::kInt64,
                       .buffer = 1};
  return collective;
}

TEST(BoxCollectivesTest, ManyBackToBackReductionsOfTinyChunksAreExact) {
  for (const std::uint32_t ranks : {1U, 2U, 3U, 5U}) {
    constexpr std::size_t kCount = 203;
    Box box(ranks, kCount * 8);
    box.on_every_rank([&](std::size_t index) {
      BoxCollectives ring = box.collectives(index, 64, 0);
      std::vector<std::int64_t> values(kCount);
      for (std::uint64_t round = 0; round < 400; ++round) {
        for (std::size_t i = 0; i < kCount; ++i)
          values[i] = static_cast<std::int64_t>(round * 1000 + i * (index + 1));
        std::memcpy(box.buffer(index) + 1, values.data(), kCount * 8);
        Collective collective = all_reduce_of(box, round, kCount, 1);
        while (!ring.can_post(round)) std::this_thread::yield();
        ring.post(collective);
        finish(ring, collective);
        std::memcpy(values.data(), box.buffer(index) + 1, kCount * 8);
        for (std::size_t i = 0; i < kCount; ++i) {
          const std::int64_t expected = static_cast<std::int64_t>(
              round * 1000 * ranks + i * (std::uint64_t{ranks} * (ranks + 1) / 2));
          ASSERT_EQ(values[i], expected) << "round " << round << ", element " << i;
        }
      }
    });
  }
}

TEST(BoxCollectivesTest, ManyMayBeUnderWayAndAnyRankCanFinishThem) {
  // More than there are slots: posting waits for the oldest.
  constexpr std::uint64_t kRounds = 3 * kSlots;
  Box box(3, kRounds * 64);
  box.on_every_rank([&](std::size_t index) {
    BoxCollectives ring = box.collectives(index, 64, index == 0 ? 0 : 1 << 20);
    std::vector<std::int64_t> values(kRounds * 8, static_cast<std::int64_t>(index + 1));
    std::memcpy(box.buffer(index), values.data(), values.size() * 8);
    std::vector<Collective> all;
    all.reserve(kRounds);
    for (std::uint64_t round = 0; round < kRounds; ++round) {
      while (!ring.can_post(round)) {
        for (Collective& each : all) ring.advance(each, BoxCollectives::Help::kEverything);
        std::this_thread::yield();
      }
      all.push_back(all_reduce_of(box, round, 8, round * 64));
      ring.post(all.back());
    }
    for (Collective& each : all) finish(ring, each);
    std::memcpy(values.data(), box.buffer(index), values.size() * 8);
    EXPECT_THAT(values, testing::Each(6));
  });
}

TEST(BoxCollectivesTest, OnceAllHaveComeOneRankCanDoItAllAlone) {
  constexpr std::size_t kCount = 1000;
  Box box(4, kCount * 8);
  std::vector<BoxCollectives> rings;
  std::vector<Collective> collectives;
  for (std::size_t i = 0; i < 4; ++i) {
    rings.push_back(box.collectives(i, 128, 0));
    collectives.push_back(all_reduce_of(box, 0, kCount));
    const std::vector<std::int64_t> values(kCount, static_cast<std::int64_t>(i));
    std::memcpy(box.buffer(i), values.data(), kCount * 8);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_FALSE(rings[2].advance(collectives[2], BoxCollectives::Help::kEverything));
    rings[i].post(collectives[i]);
  }
  EXPECT_FALSE(rings[2].is_done(collectives[2]));
  EXPECT_TRUE(rings[2].advance(collectives[2], BoxCollectives::Help::kEverything));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(rings[i].is_done(collectives[i]));
    std::vector<std::int64_t> values(kCount);
    std::memcpy(values.data(), box.buffer(i), kCount * 8);
    EXPECT_THAT(values, testing::Each(6));
  }
}

TEST(BoxCollectivesTest, DifferentHeadersAreAnErrorThatNamesBothRanks) {
  Box box(2, 800);
  BoxCollectives first = box.collectives(0, 64, 0);
  BoxCollectives second = box.collectives(1, 64, 0);
  Collective one = all_reduce_of(box, 0, 100);
  Collective other = all_reduce_of(box, 0, 99);
  first.post(one);
  const std::string text = complaint<CollectiveMismatch>([&] { second.post(other); });
  EXPECT_THAT(text, HasSubstr("collective 0 differs: rank 0 came to all_reduce (sum) of 100 int64, "
                              "rank 1 to all_reduce (sum) of 99 int64"));
  const FailureBoard board(box.memory());
  EXPECT_EQ(complaint<CollectiveMismatch>([&] { board.throw_if_failed(); }), text);
}

TEST(BoxCollectivesTest, DifferentPlacesOfOneBufferAreAnErrorThatSaysSo) {
  Box box(2, 800);
  BoxCollectives first = box.collectives(0, 64, 0);
  BoxCollectives second = box.collectives(1, 64, 0);
  Collective one = all_reduce_of(box, 0, 10, 0);
  Collective other = all_reduce_of(box, 0, 10, 64);
  second.post(other);
  EXPECT_THAT(complaint<CollectiveMismatch>([&] { first.post(one); }),
              HasSubstr("rank 1 to all_reduce (sum) of 10 int64 at byte 64 of buffer 1"));
}

TEST(FailureBoardTest, TheFirstFailureIsKept) {
  Box box(3);
  std::atomic<int> firsts{0};
  box.on_every_rank([&](std::size_t index) {
    const FailureBoard board(box.memory());
    const int rank = static_cast<int>(index);
    firsts += board.fail({core::ErrorCode::kRankFailed, rank, "rank " + std::to_string(index), ""});
    EXPECT_TRUE(board.failed());
  });
  EXPECT_EQ(firsts, 1);
  const Failure kept = FailureBoard(box.memory()).read();
  EXPECT_EQ(kept.message, "rank " + std::to_string(kept.rank));
}

TEST(BoxMessagesTest, MessagesBetweenAllPairsArriveWholeAndInOrder) {
  constexpr std::size_t kRanks = 3;
  Box box(kRanks);
  box.on_every_rank([&](std::size_t index) {
    BoxMessages messages(box.memory(), index, box.members());
    std::vector<std::vector<std::int64_t>> sent;
    std::vector<std::vector<std::int64_t>> received;
    std::vector<std::shared_ptr<Message>> all;
    sent.reserve(1000);
    received.reserve(1000);
    for (std::size_t number = 0; number < 50; ++number) {
      for (std::size_t peer = 0; peer < kRanks; ++peer) {
        const std::size_t count = number % 30;  // from none to several pieces
        sent.emplace_back(count, static_cast<std::int64_t>(number * 100 + index * 10 + peer));
        all.push_back(messages.send(std::as_bytes(std::span(sent.back())), DataType::kInt64, peer));
        received.emplace_back(count);
        all.push_back(messages.receive(std::as_writable_bytes(std::span(received.back())),
                                       DataType::kInt64, peer));
      }
    }
    for (const auto& message : all) {
      while (!message->done) {
        messages.advance();
        std::this_thread::yield();
      }
    }
    for (std::size_t i = 0; i < received.size(); ++i) {
      const std::size_t peer = i % kRanks;
      const std::size_t number = i / kRanks;
      EXPECT_THAT(received[i],
                  testing::Each(static_cast<std::int64_t>(number * 100 + peer * 10 + index)));
    }
  });
}

TEST(BoxMessagesTest, AMessageThatIsGivenUpDoesNotTouchItsMemoryAnyMore) {
  Box box(2);
  BoxMessages first(box.memory(), 0, box.members());
  BoxMessages second(box.memory(), 1, box.members());
  std::vector<std::int64_t> received(100, -1);
  {
    std::vector<std::int64_t> sent(100, 5);
    first.send(std::as_bytes(std::span(sent)), DataType::kInt64, 1)->drop();
    sent.assign(100, 6);
    first.send(std::as_bytes(std::span(sent)), DataType::kInt64, 1)->drop();
  }
  second.receive(std::as_writable_bytes(std::span(received)), DataType::kInt64, 0)->drop();
  std::vector<std::int64_t> wanted(100);
  const auto message =
      second.receive(std::as_writable_bytes(std::span(wanted)), DataType::kInt64, 0);
  while (!message->done) {
    first.advance();
    second.advance();
  }
  EXPECT_THAT(received, testing::Each(-1));
  EXPECT_THAT(wanted, testing::Each(6));
}

TEST(BoxMessagesTest, AMessageOfAnotherSizeOrTypeNamesBothRanks) {
  Box box(2);
  BoxMessages first(box.memory(), 0, box.members());
  BoxMessages second(box.memory(), 1, box.members());
  const std::vector<std::int64_t> sent(3);
  std::vector<std::int64_t> received(4);
  first.send(std::as_bytes(std::span(sent)), DataType::kInt64, 1);
  first.advance();
  second.receive(std::as_writable_bytes(std::span(received)), DataType::kInt64, 0);
  EXPECT_THAT(complaint<CollectiveMismatch>([&] { second.advance(); }),
              HasSubstr("rank 0 sent 3 int64 where rank 1 waits for 4 int64"));
}

}  // namespace
}  // namespace mutirao::comm::internal
