// `mutirao resume`, limits, `--events -` and `mutirao compare`.

#include <csignal>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.hpp"

namespace mutirao::tests {
namespace {

using Json = nlohmann::ordered_json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::vector<std::string> kTrain = {
    "train",    "t.csv",
    "--target", "y",
    "--models", "linear_regression,decision_tree,small=random_forest",
    "--set",    "small.n_estimators=30",
    "--folds",  "3"};

std::vector<std::string> with(std::vector<std::string> arguments,
                              const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

/// The leaderboard, less what depends on the clock and the machine.
std::string scores(const Json& result) {
  Json rows = result.at("leaderboard");
  for (Json& row : rows) {
    for (const char* key : {"cv_seconds", "fit_seconds", "peak_rss_bytes"}) row.erase(key);
  }
  return rows.dump(1);
}

std::vector<Json> lines_of(const std::string& text) {
  std::vector<Json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(Json::parse(line));
  return lines;
}

class Resume : public testing::Test {
 protected:
  Resume() { place_.write("t.csv", small_table(120)); }
  Workplace place_;
};

TEST_F(Resume, ARunThatIsKilledAtAnyMomentGoesOnToTheSameLeaderboard) {
  const Json whole = place_.run(with(kTrain, {"--out", "whole", "--json", "--quiet"})).json();
  const std::vector<std::string> moments = {"columns to learn from", "begins in process",
                                            "small: fold 2 of 3", "linear_regression done",
                                            "decision_tree: fold 3 of 3"};
  for (std::size_t i = 0; i < moments.size(); ++i) {
    const std::string run = "run" + std::to_string(i);
    {
      Program program(with(kTrain, {"--out", run}), place_.path());
      ASSERT_TRUE(program.wait_for_line(moments[i])) << moments[i];
      program.send_signal(SIGKILL);
      program.wait();
    }
    const Outcome outcome = place_.run({"resume", run, "--json", "--quiet"});
    ASSERT_EQ(outcome.code, 0) << moments[i] << ": " << outcome.err;
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(scores(outcome.json()), scores(whole)) << moments[i];
    EXPECT_TRUE(place_.exists(run + "/report.html"));
    EXPECT_FALSE(place_.exists(run + "/folds"));
  }
}

TEST_F(Resume, AClockThatJumpsChangesNothingButWhatIsStamped) {
  if (kSanitized) GTEST_SKIP() << "the sanitizers want to be loaded first";
  const Json whole = place_.run(with(kTrain, {"--out", "whole", "--json", "--quiet"})).json();
  // Each time that it is read, the clock on the wall is two hours from where it was.
  const std::vector<std::string> jumping = {"LD_PRELOAD=" MUTIRAO_TEST_JUMPING_CLOCK};
  {
    Program program(with(kTrain, {"--out", "run", "--time-limit", "1h"}), place_.path(), jumping);
    ASSERT_TRUE(program.wait_for_line("small: fold 2 of 3"));
    program.send_signal(SIGKILL);
    program.wait();
  }
  const Outcome outcome = place_.run({"resume", "run", "--json"}, jumping);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("small done: r2 "));
  EXPECT_EQ(scores(outcome.json()), scores(whole));
  EXPECT_TRUE(outcome.json()["stopped"].is_null());
  double elapsed = 0.0;
  std::set<std::string> stamps;
  for (const Json& event : lines_of(place_.read("run/events.jsonl"))) {
    EXPECT_GE(event["elapsed"].get<double>(), elapsed);
    elapsed = event["elapsed"];
    stamps.insert(event["time"].get<std::string>().substr(0, 13));
  }
  EXPECT_LT(elapsed, 3600.0);
  EXPECT_GT(stamps.size(), 1U) << "the clock did not jump";
}

TEST_F(Resume, ARunInUseIsRefusedByTheNameOfItsProcess) {
  Program first(with(kTrain, {"--out", "run", "--set", "small.n_estimators=10000000"}),
                place_.path());
  ASSERT_TRUE(first.wait_for_line("small begins in process"));
  const Outcome second = place_.run({"resume", "run"});
  EXPECT_EQ(second.code, 2);
  EXPECT_THAT(second.err, HasSubstr("the run run is being written to by process "));
  first.send_signal(SIGINT);
  const Outcome ended = first.wait();
  EXPECT_EQ(ended.code, 130);
  EXPECT_EQ(ended.out, "") << "no model has ended";
}

TEST_F(Resume, ARunFolderThatIsRemovedIsNotSaidToHoldAnything) {
  Program program(with(kTrain, {"--out", "run", "--set", "small.n_estimators=10000000"}),
                  place_.path());
  ASSERT_TRUE(program.wait_for_line("small begins in process"));
  std::filesystem::remove_all(place_.path() / "run");
  const Outcome outcome = program.wait();
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("the run folder run was removed, or moved, in mid run"),
                                 Not(HasSubstr("what was done is in"))));
}

TEST_F(Resume, ATimeLimitLeavesTheModelsThatWereDone) {
  // Trees that take long to grow and are short to write, however busy the machine.
  place_.write("t.csv", small_table(3000));
  const Outcome outcome =
      place_.run(with(kTrain, {"--out", "run", "--json", "--time-limit", "4s", "--set",
                               "small.n_estimators=1000000,min_samples_leaf=300"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const Json result = outcome.json();
  EXPECT_EQ(result["stopped"], "time_limit");
  for (const Json& row : result["leaderboard"]) {
    EXPECT_EQ(row["status"], "ok") << row["model"];
  }
  // The forest has a model of the trees that it grew, and a warning that says how many.
  EXPECT_THAT(result["warnings"].dump(), HasSubstr("small: the time limit left it "));
  EXPECT_THAT(outcome.err, HasSubstr("go on with: mutirao resume run"));
  EXPECT_EQ(place_.run({"predict", "run", "t.csv"}).code, 0);
}

TEST_F(Resume, AModelOverTheMemoryLimitIsARowAndTheOthersStand) {
  const Outcome outcome =
      place_.run(with(kTrain, {"--out", "run", "--json", "--memory-limit", "200MB", "--set",
                               "small.n_estimators=10000000"}));
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  const Json result = outcome.json();
  const Json& last = result["leaderboard"].back();
  EXPECT_EQ(last["model"], "small");
  EXPECT_EQ(last["status"], "memory");
  EXPECT_EQ(result["leaderboard"][0]["status"], "ok");
  EXPECT_TRUE(result["stopped"].is_null());
}

TEST_F(Resume, LimitsThatAreNoneAreRefused) {
  const auto refusal = [&](const std::string& option, const std::string& value) {
    const Outcome outcome = place_.run(with(kTrain, {"--out", "run", option, value}));
    EXPECT_EQ(outcome.code, 2);
    return outcome.err;
  };
  EXPECT_THAT(refusal("--time-limit", "soon"),
              HasSubstr("--time-limit cannot be 'soon'\nhint: write it as 90s, 10m or 1.5h"));
  EXPECT_THAT(refusal("--time-limit", "0"), HasSubstr("must be more than 0 seconds, not 0"));
  EXPECT_THAT(refusal("--time-limit", "-5"), HasSubstr("must be more than 0 seconds, not -5"));
  EXPECT_THAT(refusal("--memory-limit", "4 apples"), HasSubstr("cannot be '4 apples'"));
  EXPECT_THAT(refusal("--memory-limit", "1kB"), HasSubstr("must be at least 16 MB, not 1000"));
  EXPECT_THAT(refusal("--events", "file"), HasSubstr("--events must be -, for stdout, not 'file'"));
}

TEST_F(Resume, EventsOnStdoutAreTheLinesOfTheFolderAndThenTheObject) {
  const Outcome outcome =
      place_.run(with(kTrain, {"--out", "run", "--events", "-", "--json", "--quiet"}));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::string events = place_.read("run/events.jsonl");
  ASSERT_GT(outcome.out.size(), events.size());
  EXPECT_EQ(outcome.out.substr(0, events.size()), events);
  EXPECT_EQ(Json::parse(outcome.out.substr(events.size())),
            place_.run({"show", "run", "--json"}).json());
  // Every event and field is one that is documented.
  const std::string page = [] {
    Workplace sources;
    return sources.read(MUTIRAO_SOURCE_DIR "/docs/run-folder.md");
  }();
  for (const Json& event : lines_of(events)) {
    EXPECT_THAT(page, HasSubstr("`" + event["event"].get<std::string>() + "`"));
    for (const auto& [key, value] : event.items())
      EXPECT_THAT(page, HasSubstr("`" + key + "`")) << event["event"];
  }
}

TEST_F(Resume, RunsAreShownSideBySide) {
  ASSERT_EQ(place_.run(with(kTrain, {"--out", "a", "--quiet"})).code, 0);
  ASSERT_EQ(place_
                .run({"train", "t.csv", "--target", "y", "--models", "linear_regression", "--folds",
                      "3", "--seed", "1", "--out", "b", "--quiet"})
                .code,
            0);
  const Outcome table = place_.run({"compare", "a", "b"});
  EXPECT_EQ(table.code, 0);
  EXPECT_THAT(table.err, HasSubstr("b has the seed 1, not 0"));
  EXPECT_THAT(table.out, AllOf(HasSubstr("1  a\n2  b\n"), HasSubstr("linear_regression")));
  const Json object = place_.run({"compare", "a", "b", "--json"}).json();
  EXPECT_EQ(object["metric"], "r2");
  ASSERT_EQ(object["models"].size(), 5U);
  for (const Json& row : object["models"]) {
    ASSERT_EQ(row["scores"].size(), 2U);
    const bool both = row["model"] == "linear_regression" || row["model"] == "baseline";
    EXPECT_EQ(row["scores"][1].is_null(), !both) << row["model"];
    EXPECT_FALSE(row["scores"][0].is_null());
  }
  EXPECT_EQ(place_.run({"compare", "a"}).code, 2);
  EXPECT_EQ(place_.run({"compare", "a", "none"}).code, 2);
}

}  // namespace
}  // namespace mutirao::tests
