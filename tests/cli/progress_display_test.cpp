// Frames of a run as a terminal shows them, compared with an approved copy in tests/golden/.

#include "cli/progress_display.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "golden.hpp"

namespace mutirao::tests {
namespace {

using cli::LiveFit;
using train::Json;

struct Shown {
  LiveFit fit;
  double seconds;
};

const std::vector<Shown> kRunning = {
    {{.model = "random_forest", .fold = 1, .folds = 5}, 0.004},
    {{.model = "random_forest", .fold = 1, .folds = 5, .done = 47, .total = 100}, 0.05},
    {{.model = "decision_tree", .fold = 5, .folds = 5, .done = 0, .total = 1}, 12.34},
    {{.model = "random_forest", .fold = nullptr, .folds = 5, .done = 9, .total = 1000, .cores = 16},
     3723}};

TEST(ProgressDisplay, ALiveLineSaysFoldTreesCoresAndTime) {
  std::string frame;
  for (const Shown& each : kRunning) frame += cli::live_line(each.fit, each.seconds, 79) + "\n";
  expect_golden("live_lines.txt", frame);
}

TEST(ProgressDisplay, ALiveLineNeverWrapsInANarrowTerminal) {
  for (const Shown& each : kRunning)
    EXPECT_EQ(cli::live_line(each.fit, each.seconds, 20).size(), 20U);
}

Json fit_event(const char* event, const Json& fold) {
  return {{"event", event}, {"model", "forest"}, {"fold", fold}, {"folds", 5},
          {"pid", 7},       {"done", 3},         {"total", 10},  {"cores", 2}};
}

TEST(ProgressDisplay, AFrameTakesThePlaceOfTheOneBefore) {
  testing::internal::CaptureStderr();
  {
    cli::ProgressDisplay display(cli::ProgressDisplay::Mode::kLive);
    display.on_event(fit_event("fit_started", 1));
    display.on_event(fit_event("fit_started", nullptr));
    display.on_event(fit_event("progress", 1));
    display.on_event(fit_event("cores_held", nullptr));
    display.on_tick();
    display.on_event({{"event", "note"}, {"text", "something"}});
    display.on_event(fit_event("fold_done", 1));
    display.on_event(
        {{"event", "candidate_ended"},
         {"candidate", {{"model", "forest"}, {"status", "crashed"}, {"error", "why"}}}});
    display.on_tick();
  }
  const std::string shown = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(shown.starts_with("  forest             fold 1/5    trees 3/10 ")) << shown;
  EXPECT_NE(shown.find("\n  forest             final fit                      2 cores"),
            std::string::npos)
      << shown;
  // Two lines are drawn, erased for the note, and not drawn again.
  EXPECT_EQ(shown.find("\x1b[2A\x1b[Jmutirao: something\n"), shown.rfind("\x1b["
                                                                         "2A"));
  EXPECT_TRUE(shown.ends_with("mutirao: forest crashed: why\n")) << shown;
}

TEST(ProgressDisplay, QuietShowsNothing) {
  testing::internal::CaptureStderr();
  {
    cli::ProgressDisplay display(cli::ProgressDisplay::Mode::kQuiet);
    display.on_event(fit_event("fit_started", 1));
    display.on_tick();
    display.on_event({{"event", "warning"}, {"text", "something"}});
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace mutirao::tests
