#include "mutirao/comm/communicator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conformance.hpp"
#include "ranks.hpp"

namespace mutirao::comm {
namespace {

class ShmTest : public testing::TestWithParam<int> {};

TEST_P(ShmTest, EveryCollectiveGivesWhatItPromises) {
  EXPECT_EQ(run_ranks(GetParam(), check_collectives), "ok");
}
TEST_P(ShmTest, TheBytesAreTheSameOnAllRanksRunAfterRun) {
  EXPECT_EQ(run_ranks(GetParam(), check_bytes), "ok");
}
TEST_P(ShmTest, ThousandsOfCallsBackToBackAreRight) {
  EXPECT_EQ(run_ranks(GetParam(), check_back_to_back), "ok");
}
TEST_P(ShmTest, ManyMayBeUnderWay) { EXPECT_EQ(run_ranks(GetParam(), check_asynchronous), "ok"); }
TEST_P(ShmTest, MessagesArriveWholeAndInOrder) {
  EXPECT_EQ(run_ranks(GetParam(), check_messages), "ok");
}
TEST_P(ShmTest, BadCallsAreErrorsThatCostTheGroupNothing) {
  EXPECT_EQ(run_ranks(GetParam(), check_bad_calls), "ok");
}
TEST_P(ShmTest, StagingAsSmallAsCanBeIsEnough) {
  CommunicatorOptions options;
  options.staging_bytes = 1;
  EXPECT_EQ(run_ranks(
                GetParam(),
                [](Communicator& ranks) {
                  check_asynchronous(ranks);
                  check_large(ranks, 4'000'004);
                },
                options),
            "ok");
}
INSTANTIATE_TEST_SUITE_P(Ranks, ShmTest, testing::Values(1, 2, 3, 4, 5, 8));

TEST(LargeTest, AHundredMegabytesAreRight) {
  EXPECT_EQ(run_ranks(2, [](Communicator& ranks) { check_large(ranks, 100'000'000); }), "ok");
}

}  // namespace
}  // namespace mutirao::comm
