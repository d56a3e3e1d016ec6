// How ranks fail, at every collective: each other rank must say whose fault it was, within 5 s
// where that is promised, and say it again at every later call.

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>
#include <thread>

#include <sys/resource.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conformance.hpp"
#include "mutirao/core/error.hpp"
#include "ranks.hpp"

namespace mutirao::comm {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

constexpr int kRanks = 3;
constexpr int kVictim = 1;
/// What "named by all the others" may take.
constexpr std::chrono::seconds kBound = 5s;

struct Call {
  const char* name;
  /// What the others do when the victim does not.
  void (*run)(Communicator& ranks, const Buffer& buffer);
};

const Call kCalls[] = {
    {"Barrier", [](Communicator& ranks, const Buffer&) { ranks.barrier().wait(); }},
    {"AllReduce",
     [](Communicator& ranks, const Buffer& buffer) {
       ranks.all_reduce(buffer.part<float>(50'000)).wait();
     }},
    {"ManyAllReduces",
     [](Communicator& ranks, const Buffer& buffer) {
       std::vector<Work> works;
       for (std::size_t i = 0; i < 100; ++i)
         works.push_back(ranks.all_reduce(buffer.part<float>(100, 400 * i)));
       for (Work& work : works) work.wait();
     }},
    {"AllReduceOfASpan",
     [](Communicator& ranks, const Buffer&) {
       std::vector<float> values(1'000'000);
       ranks.all_reduce(std::span(values)).wait();
     }},
    {"AllReduceAskedWhetherDone",
     [](Communicator& ranks, const Buffer&) {
       std::vector<float> values(100);
       Work work = ranks.all_reduce(std::span(values));
       while (!work.done()) std::this_thread::yield();
     }},
    {"Broadcast",
     [](Communicator& ranks, const Buffer& buffer) {
       ranks.broadcast(buffer.part<float>(1000), kVictim).wait();
     }},
    {"Reduce", [](Communicator& ranks,
                  const Buffer& buffer) { ranks.reduce(buffer.part<float>(1000), 0).wait(); }},
    {"ReduceScatter",
     [](Communicator& ranks, const Buffer& buffer) {
       ranks.reduce_scatter(buffer.part<float>(3000)).wait();
     }},
    {"AllGather", [](Communicator& ranks,
                     const Buffer& buffer) { ranks.all_gather(buffer.part<float>(3000)).wait(); }},
    {"Allocate", [](Communicator& ranks, const Buffer&) { ranks.allocate(1 << 20); }},
    {"Recv",
     [](Communicator& ranks, const Buffer&) {
       std::vector<float> values(10);
       ranks.recv(std::span(values), kVictim).wait();
     }},
    {"Send",
     [](Communicator& ranks, const Buffer&) {
       const std::vector<float> values(1'000'000);
       ranks.send(std::span<const float>(values), kVictim).wait();
     }},
};

/// What a rank says that had to see a GroupFailed: it, after the next call said the same.
std::string failure_of(Communicator& ranks, const Buffer& buffer, const Call& call) {
  std::string said;
  try {
    call.run(ranks, buffer);
    return "nothing failed";
  } catch (const GroupFailed& error) {
    said = core::describe(error);
    if (error.rank() != kVictim) return "not the victim's fault: " + said;
  }
  for (const auto& again : kCalls) {
    try {
      again.run(ranks, buffer);
      return std::string("the group lived on: ") + again.name;
    } catch (const GroupFailed& error) {
      if (core::describe(error) != said) return "then another error: " + core::describe(error);
    }
  }
  return said;
}

/// The others run `call`; the victim has come as far as that and does `misdeed` instead.
Ranks ranks_of(const Call& call, const std::function<void(Communicator&)>& misdeed,
               std::chrono::milliseconds collective_timeout = std::chrono::minutes(5)) {
  return Ranks(kRanks, [=](int rank) -> std::string {
    CommunicatorOptions options;
    options.world = test_world(rank, kRanks);
    options.collective_timeout = collective_timeout;
    Communicator ranks(options);
    const Buffer buffer = ranks.allocate(1 << 20);
    for (int i = 0; i < 3; ++i) ranks.all_reduce(buffer.part<float>(20'000)).wait();
    if (rank != kVictim) {
      std::string said = failure_of(ranks, buffer, call);
      tell();
      return said;
    }
    misdeed(ranks);
    return "done";
  });
}

void expect_all_others_say(const std::vector<Outcome>& outcomes, const std::string& what) {
  std::set<std::string> sentences;
  for (const int rank : {0, 2}) {
    const Outcome& outcome = outcomes[static_cast<std::size_t>(rank)];
    EXPECT_FALSE(outcome.timed_out) << "rank " << rank << " hangs";
    EXPECT_THAT(outcome.said, AllOf(HasSubstr("rank 1 (process "), HasSubstr(what))) << rank;
    sentences.insert(outcome.said);
  }
  EXPECT_EQ(sentences.size(), 1U) << "two ranks say two things";
}

void pause_for_ever(Communicator&) {
  tell();
  for (;;) ::pause();
}

class FaultTestOfACall : public testing::TestWithParam<Call> {};

TEST_P(FaultTestOfACall, AKilledRankIsNamed) {
  Ranks ranks = ranks_of(GetParam(), pause_for_ever);
  ASSERT_TRUE(ranks.wait_for_word(kVictim));
  ::kill(ranks.process(kVictim), SIGKILL);
  expect_all_others_say(ranks.join(kBound), "died; its last collective was ");
}

TEST_P(FaultTestOfACall, AStoppedRankIsNamed) {
  Ranks ranks = ranks_of(GetParam(), pause_for_ever);
  ASSERT_TRUE(ranks.wait_for_word(kVictim));
  ::kill(ranks.process(kVictim), SIGSTOP);
  expect_all_others_say(ranks.join(kBound), "is stopped");
}

TEST_P(FaultTestOfACall, ARankThatExitsInTheMiddleIsNamed) {
  Ranks ranks = ranks_of(GetParam(), [](Communicator&) { ::_exit(0); });
  expect_all_others_say(ranks.join(kBound), "died");
}

TEST_P(FaultTestOfACall, ARankThatThrowsIsNamed) {
  Ranks ranks = ranks_of(GetParam(), [](Communicator&) { throw std::runtime_error("trouble"); });
  const auto outcomes = ranks.join(kBound);
  expect_all_others_say(outcomes, "left the group because of an exception");
  EXPECT_EQ(outcomes[kVictim].said, "error: trouble");
}

TEST_P(FaultTestOfACall, ARankThatLeavesTooEarlyIsNamed) {
  Ranks ranks = ranks_of(GetParam(), [](Communicator&) {});
  expect_all_others_say(ranks.join(kBound), "left the group");
}

TEST_P(FaultTestOfACall, ARankThatLivesButDoesNotComeIsNamedWithItsLastCollective) {
  Ranks ranks = ranks_of(
      GetParam(),
      [](Communicator& ranks) {
        wait_for_release();
        ranks.barrier().wait();
      },
      300ms);
  ASSERT_TRUE(ranks.wait_for_word(0));
  ASSERT_TRUE(ranks.wait_for_word(2));
  ranks.release(kVictim);
  const auto outcomes = ranks.join(kBound);
  expect_all_others_say(outcomes, "its last collective was 4, all_reduce (sum) of 20000 float32");
  EXPECT_EQ(outcomes[kVictim].said, "error: " + outcomes[0].said) << "who comes too late is told";
}

TEST(FaultTest, ARankKilledInTheMidstOfCollectivesIsNamed) {
  for (int round = 0; round < 10; ++round) {
    Ranks ranks(kRanks, [](int rank) -> std::string {
      CommunicatorOptions options;
      options.world = test_world(rank, kRanks);
      Communicator ranks(options);
      const Buffer buffer = ranks.allocate(1 << 20);
      std::vector<float> values(30'000);
      try {
        for (int i = 0;; ++i) {
          Work work = ranks.all_reduce(buffer.part<float>(100'000));
          ranks.all_reduce(std::span(values)).wait();
          work.wait();
          if (i == 20 && rank == kVictim) tell();
        }
      } catch (const RankFailed& error) {
        return core::describe(error);
      }
    });
    ASSERT_TRUE(ranks.wait_for_word(kVictim));
    ::kill(ranks.process(kVictim), SIGKILL);
    expect_all_others_say(ranks.join(kBound), "died");
  }
}

TEST(FaultTest, DifferentCollectivesNameBothRanks) {
  Ranks ranks(kRanks, [](int rank) -> std::string {
    CommunicatorOptions options;
    options.world = test_world(rank, kRanks);
    Communicator ranks(options);
    std::vector<float> values(100);
    try {
      if (rank == 2) {
        ranks.broadcast(std::span(values), 0).wait();
      } else {
        ranks.all_reduce(std::span(values), Reduction::kMean).wait();
      }
    } catch (const CollectiveMismatch& error) {
      return error.what();
    }
    return "nothing failed";
  });
  const auto outcomes = ranks.join(kBound);
  for (const Outcome& outcome : outcomes) {
    EXPECT_THAT(outcome.said, AllOf(HasSubstr("all_reduce (mean) of 100 float32"),
                                    HasSubstr("rank 2"), HasSubstr("broadcast of 100 float32")));
    EXPECT_EQ(outcome.said, outcomes[0].said);
  }
}

TEST(FaultTest, ARankThatIsDoneMayLeaveAndEndBeforeTheOthersWait) {
  Ranks ranks(kRanks, [](int rank) -> std::string {
    CommunicatorOptions options;
    options.world = test_world(rank, kRanks);
    Communicator ranks(options);
    const Buffer buffer = ranks.allocate(400'000);
    buffer.as<float>()[99'999] = 1.0F;
    Work work = ranks.all_reduce(buffer.part<float>(100'000));
    if (rank != kVictim) wait_for_release();
    work.wait();
    return std::to_string(static_cast<int>(buffer.as<float>()[99'999]));
  });
  // Its result says that it is done; its process is given time by nobody.
  ASSERT_FALSE(ranks.wait_for_word(kVictim));
  for (const int rank : {0, 2}) ranks.release(rank);
  for (const Outcome& outcome : ranks.join(kBound)) EXPECT_EQ(outcome.said, "3");
}

TEST(FaultTest, MemoryThatOneRankIsRefusedIsAnErrorOnAllAndTheGroupLivesOn) {
  for (const int refused : {0, 1}) {
    Ranks ranks(2, [refused](int rank) -> std::string {
      CommunicatorOptions options;
      options.world = test_world(rank, 2);
      Communicator ranks(options);
      if (rank == refused) {
        // Rank 0 makes the memory, the other one maps it.
        ::signal(SIGXFSZ, SIG_IGN);
        std::size_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        const rlim_t bytes = rank == 0 ? 1 << 20 : pages * 4096 + (32 << 20);
        const rlimit limit{bytes, bytes};
        ::setrlimit(rank == 0 ? RLIMIT_FSIZE : RLIMIT_AS, &limit);
      }
      try {
        ranks.allocate(64 << 20);
        return "allocated";
      } catch (const core::IoError& error) {
        ranks.barrier().wait();
        return error.hint().empty() ? "" : error.what();
      }
    });
    for (const Outcome& outcome : ranks.join(kBound))
      EXPECT_THAT(outcome.said,
                  testing::AnyOf(HasSubstr("shared memory"), HasSubstr("cannot map")));
  }
}

TEST(FaultTest, MoreMemoryThanThereIsIsAnErrorOnAll) {
  EXPECT_THAT(run_ranks(2, [](Communicator& ranks) { ranks.allocate(std::size_t{1} << 50); }),
              HasSubstr("cannot reserve"));
}

std::set<std::string> in_shared_memory() {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm"))
    names.insert(entry.path().string());
  return names;
}

std::multiset<std::string> open_descriptors() {
  std::multiset<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(entry, error).string();
    if (!error) found.insert(target.substr(0, target.find(':')));
  }
  return found;
}

std::size_t mapped_pieces() {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);)
    count += line.find("/memfd:mutirao") != std::string::npos ? 1 : 0;
  return count;
}

TEST(LeakTest, NothingIsLeftInSharedMemoryWhoeverDies) {
  const auto before = in_shared_memory();
  {
    Ranks ranks = ranks_of(kCalls[1], pause_for_ever);
    ASSERT_TRUE(ranks.wait_for_word(kVictim));
    EXPECT_EQ(in_shared_memory(), before);
    for (int rank = 0; rank < kRanks; ++rank) ::kill(ranks.process(rank), SIGKILL);
    ranks.join(kBound);
  }
  EXPECT_EQ(in_shared_memory(), before);
}

/// Ranks that are threads of this process.
void on_threads(int count, const std::function<void(Communicator&)>& body) {
  next_test_world();
  std::vector<std::thread> threads;
  for (int rank = 0; rank < count; ++rank) {
    threads.emplace_back([&body, rank, count] {
      try {
        CommunicatorOptions options;
        options.world = test_world(rank, count);
        Communicator ranks(options);
        body(ranks);
      } catch (const std::exception& error) {
        ADD_FAILURE() << "rank " << rank << ": " << error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(LeakTest, AGroupThatIsGoneLeavesNoDescriptorAndNoMapping) {
  on_threads(2, [](Communicator& ranks) { ranks.allocate(4096); });
  const auto descriptors = open_descriptors();
  const std::size_t pieces = mapped_pieces();
  for (int i = 0; i < 3; ++i) {
    on_threads(3, [](Communicator& ranks) {
      const Buffer buffer = ranks.allocate(1 << 20);
      ranks.all_reduce(buffer.part<float>(1000)).wait();
      ranks.barrier().wait();
    });
  }
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_EQ(mapped_pieces(), pieces);
}

TEST(ThreadsTest, RanksMayBeThreadsOfOneProcess) { on_threads(3, check_everything); }

INSTANTIATE_TEST_SUITE_P(Calls, FaultTestOfACall, testing::ValuesIn(kCalls),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace mutirao::comm
