// Ranks of several boxes without MPI: boxes that are made up on this machine, TCP between them.

#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conformance.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/unique_fd.hpp"
#include "ranks.hpp"

namespace mutirao::comm {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::AnyOf;
using testing::Each;
using testing::HasSubstr;

constexpr std::chrono::seconds kBound = 5s;

/// A port of this machine, held until it is let go.
class Port {
 public:
  Port() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const place = reinterpret_cast<sockaddr*>(&address);
    if (::bind(fd_.get(), place, size) != 0 || ::getsockname(fd_.get(), place, &size) != 0)
      throw std::runtime_error("no port is free");
    number_ = ntohs(address.sin_port);
  }
  int number() const { return number_; }
  void let_go() { fd_.reset(); }
  void listen() const { ::listen(fd_.get(), 8); }

 private:
  core::UniqueFd fd_;
  int number_ = 0;
};

int free_port() { return Port().number(); }

/// Rank `rank` of `size`, box `box`, as `mutirao launch` would have started it there.
CommunicatorOptions options_of(int rank, int size, const std::string& box, int port) {
  CommunicatorOptions options;
  options.world = test_world(rank, size);
  options.world->local_rank = 0;
  options.world->local_size = 1;
  options.world->source = "mutirao launch or torchrun";
  options.world->master_address = "127.0.0.1";
  options.world->master_port = port;
  options.box = box;
  return options;
}

/// Boxes of one letter each, rank by rank: "aab".
using Boxes = std::string;
using Body = std::function<std::string(Communicator& ranks)>;
Ranks ranks_in(const Boxes& boxes, const Body& body,
               std::chrono::milliseconds collective_timeout = 5min) {
  const int port = free_port();
  const int size = static_cast<int>(boxes.size());
  return Ranks(size, [=](int rank) -> std::string {
    auto options = options_of(rank, size, boxes.substr(static_cast<std::size_t>(rank), 1), port);
    options.collective_timeout = collective_timeout;
    Communicator ranks(options);
    return body(ranks);
  });
}

std::vector<std::string> said_by(Ranks&& ranks, std::chrono::seconds at_most = 100s) {
  std::vector<std::string> said;
  for (const Outcome& outcome : ranks.join(at_most))
    said.push_back(outcome.timed_out ? "hangs" : outcome.said);
  return said;
}

/// A check of the suite that every backend must pass.
Body passes(const std::function<void(Communicator&)>& check) {
  return [check](Communicator& ranks) {
    check(ranks);
    return "ok";
  };
}

class TcpTest : public testing::TestWithParam<Boxes> {};

TEST_P(TcpTest, EveryCollectiveGivesWhatItPromises) {
  EXPECT_THAT(said_by(ranks_in(GetParam(), passes(check_collectives))), Each("ok"));
}
INSTANTIATE_TEST_SUITE_P(Boxes, TcpTest, testing::Values("ab"),
                         [](const auto& info) { return info.param; });

class TcpBoxesTest : public testing::TestWithParam<Boxes> {};

TEST_P(TcpBoxesTest, TheBytesAreTheSameOnAllRanksRunAfterRun) {
  EXPECT_THAT(said_by(ranks_in(GetParam(), passes(check_bytes))), Each("ok"));
}
TEST_P(TcpBoxesTest, ManyMayBeUnderWay) {
  EXPECT_THAT(said_by(ranks_in(GetParam(), passes(check_asynchronous))), Each("ok"));
}
TEST_P(TcpBoxesTest, MessagesArriveWholeAndInOrder) {
  EXPECT_THAT(said_by(ranks_in(GetParam(), passes(check_messages))), Each("ok"));
}
TEST_P(TcpBoxesTest, BadCallsAreErrorsThatCostTheGroupNothing) {
  EXPECT_THAT(said_by(ranks_in(GetParam(), passes(check_bad_calls))), Each("ok"));
}
TEST_P(TcpBoxesTest, ManyMegabytesAreRight) {
  const auto large = [](Communicator& ranks) { check_large(ranks, 4'000'004); };
  EXPECT_THAT(said_by(ranks_in(GetParam(), passes(large))), Each("ok"));
}
INSTANTIATE_TEST_SUITE_P(Boxes, TcpBoxesTest, testing::Values("ab", "abab", "aabbc"),
                         [](const auto& info) { return info.param; });

TEST(Tcp, IsChosenWhereALauncherStartedSomeRanksElsewhere) {
  EXPECT_THAT(
      said_by(ranks_in("abb", [](Communicator& ranks) { return ranks.description(); })),
      Each("tcp, 3 ranks on 2 boxes (chosen: the launcher started 1 of 3 ranks on this machine)"));
}

// ---- Ranks that fail.

constexpr int kVictim = 2;
/// Instead of a signal: it waits until the others have spoken.
constexpr int kReleaseAtTheEnd = -1;

/// The last rank of three does `misdeed`; what the others say of it.
std::vector<std::string> said_of_victim(const Boxes& boxes,
                                        const std::function<void(Communicator&)>& misdeed,
                                        int signal = 0,
                                        std::chrono::milliseconds collective_timeout = 5min) {
  Ranks ranks = ranks_in(
      boxes,
      [&](Communicator& ranks) -> std::string {
        std::vector<float> values(100'000);
        ranks.all_reduce(std::span(values)).wait();
        if (ranks.rank() == kVictim) {
          misdeed(ranks);
          return "done";
        }
        try {
          ranks.all_reduce(std::span(values)).wait();
          return "nothing failed";
        } catch (const GroupFailed& error) {
          tell();
          return error.rank() == kVictim ? core::describe(error)
                                         : "not the victim's fault: " + core::describe(error);
        }
      },
      collective_timeout);
  if (signal > 0) {
    EXPECT_TRUE(ranks.wait_for_word(kVictim));
    ::kill(ranks.process(kVictim), signal);
  } else if (signal == kReleaseAtTheEnd) {
    for (const int other : {0, 1}) EXPECT_TRUE(ranks.wait_for_word(other));
    ranks.release(kVictim);
  }
  std::vector<std::string> said = said_by(std::move(ranks), kBound);
  said.pop_back();
  return said;
}

void pause_for_ever(Communicator&) {
  tell();
  for (;;) ::pause();
}

class TcpFaultTest : public testing::TestWithParam<Boxes> {};

TEST_P(TcpFaultTest, AKilledRankIsNamed) {
  EXPECT_THAT(said_of_victim(GetParam(), pause_for_ever, SIGKILL),
              Each(AnyOf(HasSubstr("rank 2, the first of another box, is gone"),
                         AllOf(HasSubstr("rank 2 (process "), HasSubstr("died; its last")))));
}
TEST_P(TcpFaultTest, AStoppedRankIsNamed) {
  EXPECT_THAT(said_of_victim(GetParam(), pause_for_ever, SIGSTOP),
              Each(AllOf(HasSubstr("rank 2"),
                         AnyOf(HasSubstr("is stopped"), HasSubstr("has shown no sign of life")))));
}
TEST_P(TcpFaultTest, ARankThatThrowsIsNamed) {
  EXPECT_THAT(
      said_of_victim(GetParam(), [](Communicator&) { throw std::runtime_error("trouble"); }),
      Each(AllOf(HasSubstr("rank 2"), HasSubstr("left the group"))));
}
TEST_P(TcpFaultTest, ARankThatLeavesTooEarlyIsNamed) {
  EXPECT_THAT(said_of_victim(GetParam(), [](Communicator&) {}),
              Each(AllOf(HasSubstr("rank 2"), HasSubstr("left the group"))));
}
TEST_P(TcpFaultTest, ARankThatLivesButDoesNotComeIsNamed) {
  EXPECT_THAT(said_of_victim(
                  GetParam(), [](Communicator&) { wait_for_release(); }, kReleaseAtTheEnd, 300ms),
              Each(AllOf(HasSubstr("rank 2"), HasSubstr("within 0.3 s"))));
}
INSTANTIATE_TEST_SUITE_P(Boxes, TcpFaultTest, testing::Values("aab", "abb"),
                         [](const auto& info) { return info.param; });

TEST(Tcp, AMessageFromARankThatIsGoneIsAnError) {
  const auto said = said_by(ranks_in("ab",
                                     [](Communicator& ranks) -> std::string {
                                       if (ranks.rank() == 1) return "done";
                                       std::vector<float> values(10);
                                       try {
                                         ranks.recv(std::span(values), 1).wait();
                                         return "nothing failed";
                                       } catch (const RankFailed& error) {
                                         return error.what();
                                       }
                                     }),
                            kBound);
  EXPECT_THAT(said[0], HasSubstr("rank 1"));
}

// ---- Ranks that do not meet.

/// What each says; `change` makes a rank's options wrong.
std::vector<std::string> said_at_meeting(
    int size, const std::function<void(int process, CommunicatorOptions&)>& change, int port) {
  return said_by(Ranks(size,
                       [&](int process) -> std::string {
                         auto options = options_of(process, size, std::to_string(process), port);
                         change(process, options);
                         Communicator ranks(options);
                         ranks.barrier().wait();
                         return "met";
                       }),
                 20s);
}

TEST(TcpRendezvous, AMissingRankIsNamedOnAllThatCame) {
  const int port = free_port();
  const auto said = said_at_meeting(
      2,
      [](int, CommunicatorOptions& options) {
        options.world->size = 4;
        options.rendezvous_timeout = 700ms;
      },
      port);
  EXPECT_THAT(said, Each(AllOf(HasSubstr("2 of 4 ranks had come to 127.0.0.1:"),
                               HasSubstr("after 0.7 s; missing: rank 2, 3"))));
}

TEST(TcpRendezvous, WithoutRankZeroTheOthersSaySo) {
  const int port = free_port();
  const auto said = said_at_meeting(
      1,
      [](int, CommunicatorOptions& options) {
        options.world->size = 2;
        options.world->rank = 1;
        options.rendezvous_timeout = 200ms;
      },
      port);
  EXPECT_THAT(said[0], AllOf(HasSubstr("rank 1 cannot reach 127.0.0.1:"), HasSubstr("hint: ")));
}

TEST(TcpRendezvous, AnotherWorldSizeIsAnErrorOnAll) {
  EXPECT_THAT(said_at_meeting(
                  2, [](int rank, CommunicatorOptions& options) { options.world->size += rank; },
                  free_port()),
              Each(HasSubstr("rank 1 was told that there are 3 ranks, rank 0 that there are 2")));
}

TEST(TcpRendezvous, ARankThatIsThereTwiceIsAnErrorOnAll) {
  EXPECT_THAT(said_at_meeting(
                  3,
                  [](int process, CommunicatorOptions& options) {
                    options.world->rank = std::min(process, 1);
                  },
                  free_port()),
              Each(HasSubstr("there are two of rank 1: on 127.0.0.1 and 127.0.0.1")));
}

TEST(TcpRendezvous, ARankOfAnotherRunIsTurnedAwayAndTheOthersMeet) {
  const int port = free_port();
  Ranks ranks(3, [&](int process) -> std::string {
    auto options = options_of(std::min(process, 1), 2, std::to_string(process), port);
    if (process == 2) options.world->run_id = "another";
    if (process == 1) wait_for_release();  // the door is open until then
    try {
      Communicator ranks(options);
      ranks.barrier().wait();
    } catch (const RendezvousFailed&) {
      tell();
      throw;
    }
    return "met";
  });
  ASSERT_TRUE(ranks.wait_for_word(2));
  ranks.release(1);
  EXPECT_THAT(said_by(std::move(ranks), 20s),
              testing::ElementsAre("met", "met", HasSubstr("belongs to another run")));
}

TEST(TcpRendezvous, APortThatIsInUseIsAnErrorThatNamesIt) {
  const Port taken;
  taken.listen();
  const auto said = said_at_meeting(
      2, [](int, CommunicatorOptions& options) { options.rendezvous_timeout = 300ms; },
      taken.number());
  EXPECT_THAT(said[0], HasSubstr("rank 0 cannot listen on port " + std::to_string(taken.number())));
  EXPECT_THAT(said[1], HasSubstr("127.0.0.1:" + std::to_string(taken.number())));
}

TEST(TcpRendezvous, AHostThatIsNotThereIsAnError) {
  const auto said = said_at_meeting(
      1,
      [](int, CommunicatorOptions& options) {
        options.world->rank = 1;
        options.world->size = 2;
        options.world->master_address = "no such host";
      },
      free_port());
  EXPECT_THAT(said[0], HasSubstr("there is no host 'no such host'"));
}

TEST(TcpRendezvous, WhereTorchrunsAgentHasThePortTheNextOneIsUsed) {
  Port agent;
  agent.listen();
  const auto with = [](int, CommunicatorOptions& options) {
    options.world->master_port_is_taken = true;
  };
  EXPECT_THAT(said_at_meeting(2, with, agent.number()), Each("met"));
}

/// Connects again and again while somebody listens, says nonsense or nothing, and stays or goes.
void be_strange(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  std::vector<core::UniqueFd> open;
  for (bool seen = false;;) {
    core::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      if (seen) return;
      std::this_thread::yield();
      continue;
    }
    if (!seen) tell();
    seen = true;
    const std::string nonsense(open.size() % 3 * 200, 'x');
    ::send(fd.get(), nonsense.data(), nonsense.size(), MSG_NOSIGNAL);
    if (open.size() < 20) open.push_back(std::move(fd));
  }
}

TEST(TcpRendezvous, StrangersAreIgnored) {
  const int port = free_port();
  Ranks ranks(4, [&](int process) -> std::string {
    if (process == 3) {
      be_strange(port);
      return "met";
    }
    if (process != 0) wait_for_release();
    Communicator ranks(options_of(process, 3, std::to_string(process), port));
    ranks.barrier().wait();
    return "met";
  });
  ASSERT_TRUE(ranks.wait_for_word(3));
  for (const int rank : {1, 2}) ranks.release(rank);
  EXPECT_THAT(said_by(std::move(ranks), 20s), Each("met"));
}

TEST(TcpRendezvous, WithoutAnAddressItSaysHowToStart) {
  Ranks ranks(1, [](int) -> std::string {
    auto options = options_of(0, 2, "a", 0);
    Communicator ranks(options);
    return "met";
  });
  EXPECT_THAT(ranks.join(20s)[0].said, AllOf(HasSubstr("MASTER_ADDR and MASTER_PORT are not set"),
                                             HasSubstr("mutirao launch --nnodes")));
}

}  // namespace
}  // namespace mutirao::comm
