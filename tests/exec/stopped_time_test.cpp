#include "mutirao/exec/internal/stopped_time.hpp"

#include <chrono>

#include <gtest/gtest.h>

namespace mutirao::exec::internal {
namespace {

using namespace std::chrono_literals;

TEST(StoppedTimeTest, ALookThatIsALittleLateChangesNoDeadline) {
  StoppedTime time;
  EXPECT_FALSE(time.begins_anew(0ns));
  EXPECT_FALSE(time.begins_anew(kStoppedFor));
  EXPECT_TRUE(time.begins_anew(kStoppedFor + 1ns));
}

TEST(StoppedTimeTest, ADeadlineOfAStarvedProgramBeginsAnewAFewTimesOnly) {
  for (const std::chrono::nanoseconds late : {250ms, 1000ms, 10'000ms, 59'000ms}) {
    StoppedTime time;
    int times = 0;
    while (times < 100 && time.begins_anew(late)) ++times;
    EXPECT_GE(times, 1);
    EXPECT_LE(times, 9) << "when every look is " << late.count() << " ns late";
  }
}

TEST(StoppedTimeTest, AProgramThatIsStoppedForMinutesAgainAndAgainHasAllItsTimeAfterEachStop) {
  StoppedTime time;
  for (int stop = 0; stop < 1000; ++stop) EXPECT_TRUE(time.begins_anew(5min));
}

}  // namespace
}  // namespace mutirao::exec::internal
