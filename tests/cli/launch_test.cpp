#include <cerrno>
#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.hpp"

namespace mutirao::tests {
namespace {

using testing::HasSubstr;

TEST(LaunchCommand, PrintsTheLinesOfEachRankBehindItsNumber) {
  const Workplace place;
  const Outcome outcome =
      place.run({"launch", "--nproc", "2", "sh", "-c", "echo out of $RANK; echo err of $RANK >&2"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  for (const std::string rank : {"0", "1"}) {
    EXPECT_THAT(outcome.out, HasSubstr("[" + rank + "] out of " + rank + "\n"));
    EXPECT_THAT(outcome.err, HasSubstr("[" + rank + "] err of " + rank + "\n"));
  }
  // No progress line where nobody looks.
  EXPECT_EQ(outcome.err.find("running"), std::string::npos) << outcome.err;
}

TEST(LaunchCommand, WhatStandsBehindTheProgramIsForTheProgram) {
  const Workplace place;
  const Outcome outcome =
      place.run({"launch", "--nproc", "1", "echo", "--nproc", "-2", "--help", "--", "a b"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "[0] --nproc -2 --help -- a b\n");
}

TEST(LaunchCommand, NamesTheRankThatFailed) {
  const Workplace place;
  const Outcome outcome =
      place.run({"launch", "--nproc", "2", "sh", "-c",
                 "if [ $RANK = 1 ]; then echo no data >&2; exit 7; fi; exec sleep 1000"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("mutirao: error: rank 1 (process "));
  EXPECT_THAT(outcome.err, HasSubstr("exited with code 7"));
  EXPECT_THAT(outcome.err, HasSubstr("\n  no data\n"));
}

TEST(LaunchCommand, SaysWhenItStartsAgain) {
  const Workplace place;
  const Outcome outcome = place.run({"launch", "--nproc", "1", "--max-restarts", "2", "sh", "-c",
                                     "[ $TORCHELASTIC_RESTART_COUNT = 1 ]"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("exited with code 1"));
  EXPECT_THAT(outcome.err, HasSubstr("mutirao: restart 1 of 2\n"));
}

TEST(LaunchCommand, InterruptStopsAllRanks) {
  const Workplace place;
  Program program({"launch", "--nproc", "2", "sh", "-c", "echo process $$ >&2; exec sleep 1000"},
                  place.path());
  std::vector<pid_t> ranks;
  for (const std::string rank : {"0", "1"}) {
    const auto line = program.wait_for_line("[" + rank + "] process ");
    ASSERT_TRUE(line);
    ranks.push_back(std::stoi(line->substr(line->rfind(' ') + 1)));
  }
  program.send_signal(SIGINT);
  const Outcome outcome = program.wait();
  EXPECT_EQ(outcome.code, 130);
  EXPECT_THAT(outcome.err, HasSubstr("interrupted; all ranks are stopped"));
  for (const pid_t rank : ranks) {
    EXPECT_EQ(::kill(rank, 0), -1);
    EXPECT_EQ(errno, ESRCH);
  }
}

TEST(LaunchCommand, TheSecondInterruptKills) {
  const Workplace place;
  Program program(
      {"launch", "--nproc", "1", "--grace", "1000", "sh", "-c",
       "trap 'echo not yet >&2' TERM; echo ready >&2; while :; do sleep 1000 & wait; done"},
      place.path());
  ASSERT_TRUE(program.wait_for_line("[0] ready"));
  program.send_signal(SIGINT);
  ASSERT_TRUE(program.wait_for_line("[0] not yet"));
  program.send_signal(SIGINT);
  EXPECT_EQ(program.wait().code, 130);
}

TEST(LaunchCommand, RefusesWhatItCannotDo) {
  const Workplace place;
  struct Case {
    std::vector<std::string> arguments;
    std::string says;
  };
  const std::vector<Case> cases = {
      {{"--nprocs", "2", "true"},
       "there is no option --nprocs of mutirao launch\nhint: did you mean '--nproc'?"},
      {{"true"}, "the number of ranks is not given"},
      {{"--nproc", "two", "true"}, "--nproc: 'two' is no number of ranks"},
      {{"--nproc", "0", "true"}, "--nproc: '0' is no number of ranks"},
      {{"--nproc", "2"}, "no program is given to launch"},
      {{"--nproc", "2", "./not-there"}, "there is no program ./not-there"},
      {{"--nproc", "2", "--nnodes", "2", "true"}, "several nodes need the address"},
      {{"--nproc", "2", "--master", "host", "true"}, "--master: 'host' is no HOST:PORT"},
      {{"--nproc", "2", "--master", "host:70000", "true"}, "is no HOST:PORT"},
      {{"--nproc", "2", "--nnodes", "2", "--node-rank", "2", "--master", "h:1", "true"},
       "node 2 of 2 does not exist"},
      {{"--nproc", "2", "--grace", "-1", "true"}, "--grace takes 0 to 3600 seconds"},
  };
  for (const Case& each : cases) {
    std::vector<std::string> arguments = {"launch"};
    arguments.insert(arguments.end(), each.arguments.begin(), each.arguments.end());
    const Outcome outcome = place.run(arguments);
    EXPECT_EQ(outcome.code, 2) << each.says;
    EXPECT_THAT(outcome.err, HasSubstr("mutirao: error: "));
    EXPECT_THAT(outcome.err, HasSubstr(each.says));
    EXPECT_EQ(outcome.out, "");
  }
}

}  // namespace
}  // namespace mutirao::tests
