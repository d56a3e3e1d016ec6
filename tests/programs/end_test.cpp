// However a program ends, nothing of it is left; whatever happens to its zygote, it goes on.

#include <csignal>
#include <string>

#include "program.hpp"

namespace mutirao::exec {
namespace {

class EndTest : public ProgramTest {};

INSTANTIATE_TEST_SUITE_P(Workers, EndTest, ::testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "Executed" : "Forked");
});

TEST_P(EndTest, NothingIsLeftOfNestedPoolsWhenTheProgramIsKilled) {
  for (const int signal : {SIGKILL, SIGTERM, SIGSEGV}) {
    Program program(thread_first(), {"nested_hang"});
    EXPECT_EQ(program.line(), "main begins");
    for (int i = 0; i < 4; ++i) ASSERT_EQ(program.line(), "hangs");
    program.send(signal);
    EXPECT_EQ(program.wait(), -signal);
    Program::wait_until_nothing_is_left();
  }
}

TEST_P(EndTest, ExitEndsTheWorkersOfALivePool) {
  Program program(thread_first(), {"exit_with_a_live_pool"});
  EXPECT_EQ(program.wait(), 7);
}

TEST_P(EndTest, AStaticExecutorMayOutliveTheRuntime) {
  Program program(thread_first(), {"static_pool_outlives_the_runtime"});
  EXPECT_EQ(program.line(), "main begins");
  EXPECT_EQ(program.line(), "49");
  EXPECT_EQ(program.wait(), 0);
}

TEST_P(EndTest, AKilledZygoteCostsOnlyTheTasksThatRan) {
  Program program(thread_first(), {"killed_zygote"});
  EXPECT_EQ(program.wait(), 0);
}

TEST_P(EndTest, TheThreadThatMadeAPoolMayEnd) {
  Program program(thread_first(), {"thread_that_made_the_pool_ends"});
  EXPECT_EQ(program.wait(), 0);
}

TEST_P(EndTest, AProcessThatTheUserForkedMayStayBehind) {
  Program program(thread_first(), {"forked_child_stays"});
  EXPECT_EQ(program.wait(), 0);
  program.write("end\n");
}

TEST_P(EndTest, CoresOfTheWorkersOfAKilledWorkerAreFreeAgain) {
  Program program(thread_first(), {"orphaned_cores"});
  EXPECT_EQ(program.line(), "main begins");
  EXPECT_EQ(program.line(), "hangs");
  EXPECT_EQ(program.line(), "hangs");
  program.write("both\n");
  EXPECT_EQ(program.wait(), 0);
}

TEST_P(EndTest, WorkersHaveTheSurroundingsOfTheProgram) {
  Program program(thread_first(), {"surroundings"});
  EXPECT_EQ(program.line(), "main begins");
  EXPECT_EQ(program.line(), ".");
  EXPECT_EQ(program.line(), "surroundings");
  EXPECT_EQ(program.line(), "from a task");
  EXPECT_EQ(program.wait(), 0);
  EXPECT_EQ(program.line(), "");
}

}  // namespace
}  // namespace mutirao::exec
