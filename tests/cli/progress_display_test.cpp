// Frames of a run as a terminal shows them, compared with an approved copy in tests/golden/.

#include "cli/progress_display.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "golden.hpp"

namespace mutirao::tests {
namespace {

using train::CandidateProgress;

const std::vector<CandidateProgress> kRunning = {
    {.model = "random_forest", .process = 0, .folds = 5},
    {.model = "random_forest",
     .process = 7,
     .fold = 0,
     .folds = 5,
     .done = 47,
     .total = 100,
     .seconds = 0.05},
    {.model = "decision_tree",
     .process = 8,
     .fold = 4,
     .folds = 5,
     .done = 0,
     .total = 1,
     .seconds = 12.34},
    {.model = "random_forest",
     .process = 7,
     .fold = 5,
     .folds = 5,
     .done = 9,
     .total = 1000,
     .seconds = 3723}};

TEST(ProgressDisplay, ALiveLineSaysFoldTreesAndTime) {
  std::string frame;
  for (const CandidateProgress& each : kRunning) frame += cli::live_line(each, 79) + "\n";
  expect_golden("live_lines.txt", frame);
}

TEST(ProgressDisplay, ALiveLineNeverWrapsInANarrowTerminal) {
  for (const CandidateProgress& each : kRunning) EXPECT_EQ(cli::live_line(each, 20).size(), 20U);
}

TEST(ProgressDisplay, AFrameTakesThePlaceOfTheOneBefore) {
  testing::internal::CaptureStderr();
  int ticks = 0;
  {
    cli::ProgressDisplay display(cli::ProgressDisplay::Mode::kLive, [&ticks] { ++ticks; });
    display.on_progress(std::span(kRunning).first(2));
    display.on_event({{"event", "note"}, {"text", "something"}});
    display.on_progress({});
  }
  const std::string shown = testing::internal::GetCapturedStderr();
  EXPECT_EQ(ticks, 2);
  // Two lines are drawn, erased for the note, and not drawn again.
  EXPECT_EQ(shown.find("\x1b[2A\x1b[Jmutirao: something\n"), shown.rfind("\x1b["
                                                                         "2A"));
  EXPECT_TRUE(shown.ends_with("mutirao: something\n")) << shown;
}

TEST(ProgressDisplay, QuietShowsNothing) {
  testing::internal::CaptureStderr();
  {
    cli::ProgressDisplay display(cli::ProgressDisplay::Mode::kQuiet, [] {});
    display.on_progress(kRunning);
    display.on_event({{"event", "warning"}, {"text", "something"}});
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace mutirao::tests
