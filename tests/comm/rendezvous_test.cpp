#include "mutirao/comm/internal/rendezvous.hpp"

#include <csignal>
#include <cstdlib>
#include <thread>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "complaint.hpp"
#include "mutirao/comm/communicator.hpp"
#include "ranks.hpp"

namespace mutirao::comm {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

/// Worlds as the ranks believe them to be; what each says after meeting, or not.
std::vector<std::string> meet(const std::vector<World>& worlds,
                              std::chrono::milliseconds timeout = 30s) {
  Ranks ranks(static_cast<int>(worlds.size()), [&](int process) -> std::string {
    CommunicatorOptions options;
    options.world = worlds[static_cast<std::size_t>(process)];
    options.world->run_id = test_world(0, 1).run_id;
    options.backend = Backend::kShm;
    options.rendezvous_timeout = timeout;
    Communicator communicator(options);
    communicator.barrier().wait();
    return "met";
  });
  std::vector<std::string> said;
  for (const Outcome& outcome : ranks.join(20s))
    said.push_back(outcome.timed_out ? "hangs" : outcome.said);
  return said;
}

TEST(Rendezvous, RanksOfAWorldMeet) {
  EXPECT_THAT(meet({test_world(2, 3), test_world(0, 3), test_world(1, 3)}), testing::Each("met"));
}

TEST(Rendezvous, AMissingRankIsNamedOnAllThatCame) {
  for (const std::string& said : meet({test_world(0, 4), test_world(2, 4)}, 1500ms))
    EXPECT_THAT(said, AllOf(HasSubstr("2 of 4 ranks had come after 1.5 s; missing: rank 1, 3"),
                            HasSubstr("hint: ")));
}

TEST(Rendezvous, WithoutRankZeroTheOthersSaySo) {
  for (const std::string& said : meet({test_world(1, 3), test_world(2, 3)}, 300ms))
    EXPECT_THAT(said, HasSubstr("for rank 0, which has not come"));
}

TEST(Rendezvous, AnotherWorldSizeIsAnErrorOnAll) {
  for (const std::string& said : meet({test_world(0, 2), test_world(1, 3)}))
    EXPECT_THAT(said, HasSubstr("was told that there are 3 ranks, rank 0 that there are 2"));
}

TEST(Rendezvous, ARankThatIsThereTwiceIsAnErrorOnAll) {
  for (const std::string& said : meet({test_world(0, 3), test_world(1, 3), test_world(1, 3)}))
    EXPECT_THAT(said, HasSubstr("there are two of rank 1: processes "));
}

TEST(Rendezvous, TwoRanksZeroOfOneAddressAreAnErrorOnBoth) {
  for (const std::string& said : meet({test_world(0, 2), test_world(0, 2)}))
    EXPECT_THAT(said, AllOf(HasSubstr("there are two of rank 0: processes "),
                            HasSubstr("each job its own MASTER_PORT")));
}

TEST(Rendezvous, ARankThatEndsBeforeAllAreThereIsNamed) {
  Ranks ranks(2, [](int rank) -> std::string {
    CommunicatorOptions options;
    options.world = test_world(rank, 3);
    options.rendezvous_timeout = rank == 0 ? 30s : 1s;  // rank 1 gives up while rank 0 waits for 2
    Communicator communicator(options);
    return "met";
  });
  const auto outcomes = ranks.join(20s);
  EXPECT_THAT(outcomes[0].said, AllOf(HasSubstr("error: rank 1 (process "),
                                      HasSubstr("ended before all 3 ranks had met")));
  EXPECT_THAT(outcomes[1].said, HasSubstr("rank 0 is here, but some of the 3 ranks"));
}

TEST(Rendezvous, ASecondCommunicatorOfTheSameRankIsAnErrorThere) {
  Ranks ranks(2, [](int rank) -> std::string {
    CommunicatorOptions options;
    options.world = test_world(rank, 2);
    Communicator first(options);
    const std::string said = complaint([&] { Communicator second(options); });
    first.barrier().wait();
    return said;
  });
  for (const Outcome& outcome : ranks.join(20s))
    EXPECT_THAT(outcome.said, HasSubstr("this process has a Communicator as rank"));
}

TEST(Rendezvous, OneThatWasDestroyedCanBeMadeAgain) {
  Ranks ranks(3, [](int rank) -> std::string {
    for (int i = 0; i < 20; ++i) {
      CommunicatorOptions options;
      options.world = test_world(rank, 3);
      Communicator communicator(options);
      communicator.barrier().wait();
    }
    return "met";
  });
  for (const Outcome& outcome : ranks.join(20s)) EXPECT_EQ(outcome.said, "met");
}

TEST(Rendezvous, TwoJobsAtOnceDoNotDisturbEachOther) {
  Ranks ranks(4, [](int process) -> std::string {
    CommunicatorOptions options;
    options.world = test_world(process % 2, 2);
    options.world->run_id += process < 2 ? " a" : " b";
    Communicator communicator(options);
    std::vector<float> values(1000, process < 2 ? 1.0F : 10.0F);
    for (int i = 0; i < 100; ++i)
      communicator.all_reduce(std::span(values), Reduction::kMean).wait();
    return std::to_string(static_cast<int>(values[999]));
  });
  const auto outcomes = ranks.join(20s);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(outcomes[i].said, i < 2 ? "1" : "10");
}

TEST(Rendezvous, AnotherUsersSocketIsNotBelieved) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  internal::MeetingPlan plan;
  plan.name = internal::socket_name("taken by another user " + std::to_string(::getpid()));
  plan.members = {0, 1};
  plan.rank = 1;
  plan.world_size = 2;
  plan.timeout = 10s;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t other = ::fork();
  if (other == 0) {
    if (::setuid(65534) != 0) ::_exit(1);
    const auto listener = core::LocalListener::listen(plan.name);
    const char byte = 1;
    if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THAT(complaint<RendezvousFailed>([&] { internal::meet(plan); }),
              HasSubstr("held by user 65534"));
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
  for (const int end : ready) ::close(end);
}

TEST(Rendezvous, WhatStrangersSayIsAnErrorOrIgnored) {
  internal::MeetingPlan plan;
  plan.name = internal::socket_name("strangers " + std::to_string(::getpid()));
  plan.members = {0, 1};
  plan.world_size = 2;
  plan.timeout = 10s;
  std::thread visitor([plan]() mutable {
    std::optional<core::LocalSocket> stranger;
    while (!stranger) stranger = core::LocalSocket::connect(plan.name);
    const std::byte noise[3] = {};
    stranger->send(noise, {}, core::LocalSocket::Wait::kYes);
    plan.rank = 1;
    internal::meet(plan);
  });
  EXPECT_EQ(internal::meet(plan).members.size(), 2U);
  visitor.join();
}

TEST(Backends, AutomaticSaysWhatItChoseAndWhy) {
  Ranks ranks(2, [](int rank) {
    CommunicatorOptions options;
    options.world = test_world(rank, 2);
    return Communicator(options).description();
  });
  for (const Outcome& outcome : ranks.join(20s))
    EXPECT_EQ(outcome.said,
              "shm, 2 ranks on 1 box (chosen: the launcher started all ranks on this machine)");
}

TEST(Backends, TheVariableChoosesAndIsChecked) {
  Ranks ranks(1, [](int) -> std::string {
    ::setenv("MUTIRAO_COMM_BACKEND", "udp", 1);
    Communicator communicator;
    return "opened";
  });
  EXPECT_THAT(ranks.join(20s)[0].said,
              HasSubstr("MUTIRAO_COMM_BACKEND is 'udp'\nhint: set shm, mpi, tcp or nccl"));
}

TEST(Backends, AWorldOfOneNeedsNoLauncher) {
  Communicator alone({.world = World{}});
  std::vector<float> values{1.0F, 2.0F};
  alone.all_reduce(std::span(values), Reduction::kMean).wait();
  EXPECT_THAT(values, testing::ElementsAre(1.0F, 2.0F));
  EXPECT_EQ(alone.description(), "shm, 1 rank on 1 box (chosen: there is one rank)");
}

}  // namespace
}  // namespace mutirao::comm
