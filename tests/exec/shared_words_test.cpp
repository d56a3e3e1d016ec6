// What processes share, run by threads of one process: there ThreadSanitizer sees it.

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/mapping.hpp"
#include "mutirao/exec/internal/channel.hpp"
#include "mutirao/exec/internal/core_words.hpp"
#include "mutirao/exec/internal/progress_cell.hpp"

namespace mutirao::exec::internal {
namespace {

/// A worker that follows Note [The ring and its state words]: replies with the request plus one.
void serve(Channel& channel, std::uint64_t tasks) {
  for (std::uint64_t number = 0; number < tasks; ++number) {
    Slot& slot = channel.slot(number);
    std::uint64_t word = state_word(number, SlotState::kQueued);
    for (;;) {
      if (slot.state.compare_exchange_strong(word, state_word(number, SlotState::kDecoding))) {
        std::uint64_t value;
        std::memcpy(&value, slot.inline_bytes, sizeof value);
        slot.state.store(state_word(number, SlotState::kRunning), std::memory_order_release);
        ++value;
        slot.state.store(state_word(number, SlotState::kEncoding), std::memory_order_release);
        std::memcpy(slot.inline_bytes, &value, sizeof value);
        slot.reply_bytes = sizeof value;
        break;
      }
      if (word == state_word(number, SlotState::kRecalled)) break;
      word = state_word(number, SlotState::kQueued);
      std::this_thread::yield();
    }
    slot.state.store(state_word(number, SlotState::kDone), std::memory_order_seq_cst);
  }
}

TEST(RingTest, EveryTaskIsEitherRecalledOrAnswered) {
  constexpr std::uint64_t kTasks = 20'000;
  Channel channel;
  std::thread worker([&channel] { serve(channel, kTasks); });
  std::uint64_t head = 0;
  std::uint64_t answered = 0;
  std::uint64_t recalled = 0;
  std::vector<bool> taken_back(kTasks);
  const auto drain = [&](std::uint64_t tail) {
    while (head < tail && channel.slot(head).state.load(std::memory_order_seq_cst) ==
                              state_word(head, SlotState::kDone)) {
      if (!taken_back[head]) {
        std::uint64_t value;
        std::memcpy(&value, channel.slot(head).inline_bytes, sizeof value);
        ASSERT_EQ(value, 3 * head + 1);
        ++answered;
      }
      ++head;
    }
  };
  for (std::uint64_t tail = 0; tail < kTasks; ++tail) {
    while (tail - head >= Channel::kSlots) {
      drain(tail);
      std::this_thread::yield();
    }
    Slot& slot = channel.slot(tail);
    const std::uint64_t value = 3 * tail;
    std::memcpy(slot.inline_bytes, &value, sizeof value);
    slot.state.store(state_word(tail, SlotState::kQueued), std::memory_order_seq_cst);
    if (tail % 7 == 0) {
      std::uint64_t word = state_word(tail, SlotState::kQueued);
      if (slot.state.compare_exchange_strong(word, state_word(tail, SlotState::kRecalled))) {
        taken_back[tail] = true;
        ++recalled;
      }
    }
  }
  while (head < kTasks) {
    drain(kTasks);
    std::this_thread::yield();
  }
  worker.join();
  EXPECT_EQ(answered + recalled, kTasks);
}

TEST(OwnerWordTest, ACoreHasOneOwnerAtATimeAndNoneIsLost) {
  constexpr std::size_t kCores = 3;
  const core::Mapping mapping = core::Mapping::anonymous_shared(sizeof(CoreWords));
  auto& words = *new (mapping.data()) CoreWords;
  words.start(kCores);
  std::vector<std::atomic<int>> holders(kCores);
  std::atomic<bool> shared{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      const auto participant = words.join();
      const auto hold = [&](std::size_t core) {
        if (holders[core].fetch_add(1) != 0) shared = true;
        holders[core].fetch_sub(1);
        words.give_back(core);
      };
      for (int i = 0; i < 300; ++i) {
        if (t == 0 && i % 10 == 0) {
          for (const std::size_t core : words.take_many(*participant, 2)) hold(core);
        } else {
          hold(*words.take(*participant, CoreWords::Need::kTask, [] { return false; }));
        }
      }
      words.sweep(*participant);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(shared);
  const auto last = words.join();
  for (std::size_t i = 0; i < kCores; ++i) EXPECT_TRUE(words.try_take(*last));
  EXPECT_FALSE(words.task_waits());
}

TEST(ProgressCellTest, AReaderNeverSeesHalfAReport) {
  ProgressCell cell;
  std::atomic<bool> over{false};
  std::thread writer([&] {
    for (std::uint64_t i = 1; i < 50'000; ++i)
      cell.write({.done = i, .total = 2 * i, .stage = static_cast<std::uint32_t>(i)});
    over = true;
  });
  while (!over) {
    Progress progress;
    if (!cell.read(progress)) continue;
    ASSERT_EQ(progress.total, 2 * progress.done);
    ASSERT_EQ(progress.stage, static_cast<std::uint32_t>(progress.done));
  }
  writer.join();
}

}  // namespace
}  // namespace mutirao::exec::internal
