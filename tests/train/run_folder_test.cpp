#include "mutirao/train/run_folder.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../data/temporary_folder.hpp"
#include "made_up_run.hpp"
#include "mutirao/core/error.hpp"

namespace mutirao::train {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n') + 1); }

TrainConfig some_config() {
  return {.data = "diamonds.csv", .target = "price", .metric = "mae", .seed = 3};
}

class RunFolderTest : public testing::Test {
 protected:
  std::vector<std::string> names(const std::string& folder) const {
    std::vector<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder))
      names.push_back(entry.path().filename().string());
    return names;
  }
  std::string path(const std::string& name) const { return folder_.file(name); }

  template <class E>
  std::string complaint(const std::string& run) const {
    try {
      RunFolder folder(run, some_config());
    } catch (const E& error) {
      return core::describe(error);
    }
    return "";
  }
  /// What is said about a run folder that holds these events.
  std::string damage(const std::string& events) const {
    fs::create_directories(path("damaged"));
    folder_.write("damaged/events.jsonl", events);
    try {
      read_run(path("damaged"));
    } catch (const core::CorruptFile& error) {
      return core::describe(error);
    }
    return "";
  }
  /// The events of a whole run, one a line.
  std::string whole_run() const {
    const RunResult made_up = made_up_run();
    RunFolder folder(path("run"), some_config());
    folder.keep();
    folder.append("run_started", {{"version", "0.1.0"}, {"config", to_json(some_config())}});
    const Json json = to_json(made_up);
    folder.append("data_read", {{"rows", 53940},
                                {"rows_dropped", 3},
                                {"task", "regression"},
                                {"metric", "mae"},
                                {"cores", 2},
                                {"columns", json["columns"]}});
    folder.append("note", {{"text", "this is regression"}});
    folder.append("warning", {{"text", made_up.warnings[0]}});
    folder.append("candidate_started", {{"model", "random_forest"}, {"pid", 1}});
    folder.append("fold_done", {{"model", "random_forest"}, {"fold", 1}});
    for (const Json& row : json["leaderboard"])
      folder.append("candidate_ended", {{"candidate", row}});
    folder.append("run_ended", {{"seconds", 65.25}, {"stopped", nullptr}});
    return core::read_file(path("run/events.jsonl"));
  }

  data::TemporaryFolder folder_;
};

TEST_F(RunFolderTest, MakesTheFolderItsParentsTheConfigurationAndTheEvents) {
  RunFolder folder(path("a/b/run"), some_config());
  EXPECT_EQ(folder.path(), path("a/b/run"));
  EXPECT_EQ(folder.inside("models/x"), path("a/b/run/models/x"));
  EXPECT_THAT(names(path("a/b/run")), UnorderedElementsAre("config.json", "events.jsonl"));
  EXPECT_EQ(read_config(path("a/b/run/config.json")), some_config());
  EXPECT_EQ(core::read_file(path("a/b/run/events.jsonl")), "");
}

TEST_F(RunFolderTest, TakesAFolderThatIsThereAndEmpty) {
  fs::create_directory(path("run"));
  RunFolder folder(path("run"), some_config());
  EXPECT_TRUE(is_run_folder(path("run")));
}

TEST_F(RunFolderTest, RefusesAFolderThatIsNotEmpty) {
  fs::create_directory(path("run"));
  folder_.write("run/mine", "kept");
  EXPECT_EQ(complaint<core::InvalidArgument>(path("run")),
            "the folder " + path("run") +
                " is not empty\nhint: a run needs a folder of its own: name another with --out");
  EXPECT_THAT(names(path("run")), ElementsAre("mine"));
}

TEST_F(RunFolderTest, RefusesAFile) {
  folder_.write("run", "kept");
  EXPECT_EQ(
      complaint<core::InvalidArgument>(path("run")),
      path("run") + " is a file, not a folder for a run\nhint: name another folder with --out");
  EXPECT_EQ(core::read_file(path("run")), "kept");
}

TEST_F(RunFolderTest, RefusesAPlaceThatCannotBeWritten) {
  folder_.write("file", "");
  EXPECT_THAT(complaint<core::IoError>(path("file/run")),
              testing::AllOf(HasSubstr("cannot make the run folder " + path("file/run")),
                             HasSubstr("\nhint: name a folder that can be written with --out")));
  // Neither root nor anybody else makes folders in there.
  EXPECT_THAT(complaint<core::IoError>("/proc/self/run"),
              HasSubstr("cannot make the run folder /proc/self/run"));
}

TEST_F(RunFolderTest, RemovesTheParentsItMadeWhenTheLastOneCannotBeMade) {
  const std::string name(300, 'x');  // longer than names may be
  EXPECT_THAT(complaint<core::IoError>(path("a/b/" + name)), HasSubstr("cannot make"));
  EXPECT_THAT(names(folder_.path()), IsEmpty());
}

TEST_F(RunFolderTest, RemovesWhatItMade) {
  { RunFolder folder(path("a/b/run"), some_config()); }
  EXPECT_THAT(names(folder_.path()), IsEmpty());
}

TEST_F(RunFolderTest, RemovesWhatItMadeWhateverTheSpellingOfThePath) {
  for (const std::string spelling : {"a/run/", "./a/../a/run", "a//run//", "b/./run/."}) {
    { RunFolder folder(path(spelling), some_config()); }
    EXPECT_THAT(names(folder_.path()), IsEmpty()) << spelling;
  }
}

TEST_F(RunFolderTest, LeavesAFolderThatWasThereEmptyAgain) {
  fs::create_directory(path("run"));
  { RunFolder folder(path("run"), some_config()); }
  EXPECT_TRUE(fs::is_directory(path("run")));
  EXPECT_THAT(names(path("run")), IsEmpty());
}

TEST_F(RunFolderTest, LeavesWhatSomebodyElsePutThereMeanwhile) {
  {
    RunFolder folder(path("a/run"), some_config());
    folder_.write("a/mine", "kept");
  }
  EXPECT_THAT(names(path("a")), ElementsAre("mine"));
}

TEST_F(RunFolderTest, KeepsWhatItMadeWhenTold) {
  {
    RunFolder folder(path("a/run"), some_config());
    folder.keep();
  }
  EXPECT_THAT(names(path("a/run")), UnorderedElementsAre("config.json", "events.jsonl"));
}

TEST_F(RunFolderTest, AnEventIsOneLineWithItsTime) {
  RunFolder folder(path("run"), some_config());
  const Json first = folder.append("note", {{"text", "two\nlines"}});
  const Json second = folder.append("warning", {{"text", "caf\xc3\xa9"}});
  EXPECT_EQ(core::read_file(path("run/events.jsonl")),
            one_line(first) + "\n" + one_line(second) + "\n");
  EXPECT_EQ(first["event"], "note");
  EXPECT_EQ(first["text"], "two\nlines");
  EXPECT_TRUE(std::regex_match(first["time"].get<std::string>(),
                               std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")));
  EXPECT_GE(first["elapsed"].get<double>(), 0.0);
  EXPECT_LE(first["elapsed"].get<double>(), second["elapsed"].get<double>());
  EXPECT_LE(second["elapsed"].get<double>(), folder.elapsed());
}

TEST_F(RunFolderTest, ALineIsAlwaysUtf8) {
  EXPECT_EQ(one_line({{"text", "a\xff"}}), "{\"text\":\"a\xef\xbf\xbd\"}");
}

TEST_F(RunFolderTest, AWholeRunIsReadBack) {
  whole_run();
  const RunResult read = read_run(path("run"));
  RunResult expected = made_up_run();
  expected.run = path("run");
  expected.data = "diamonds.csv";
  expected.metric = "mae";
  expected.seed = 3;
  // By mae, of which the linear regression has a score of 0.5 and the forest one of 0.98.
  std::swap(expected.leaderboard[0], expected.leaderboard[1]);
  EXPECT_EQ(to_json(read).dump(2), to_json(expected).dump(2));
}

TEST_F(RunFolderTest, ARunThatDidNotEndReadsAsInterrupted) {
  const std::string events = whole_run();
  std::size_t lines = 0;
  for (std::size_t end = events.find('\n'); end != std::string::npos;
       end = events.find('\n', end + 1), ++lines) {
    folder_.write("run/events.jsonl", events.substr(0, end + 1));
    const RunResult read = read_run(path("run"));
    const bool ended = end + 1 == events.size();
    EXPECT_EQ(read.stopped, ended ? std::nullopt : std::optional<std::string>("interrupted"));
    EXPECT_EQ(read.version, "0.1.0");
    EXPECT_EQ(read.leaderboard.size(), lines < 6 ? 0 : std::min<std::size_t>(lines - 5, 4));
  }
}

TEST_F(RunFolderTest, TheSecondsOfAnInterruptedRunAreThoseOfItsLastEvent) {
  const std::string events = whole_run();
  const std::size_t last = events.rfind('\n', events.size() - 2) + 1;
  folder_.write("run/events.jsonl", events.substr(0, last));
  const std::size_t before = events.rfind('\n', last - 2) + 1;
  EXPECT_EQ(read_run(path("run")).seconds,
            Json::parse(events.substr(before, last - before))["elapsed"].get<double>());
}

TEST_F(RunFolderTest, ALastLineThatWasCutShortIsDropped) {
  const std::string events = whole_run();
  const std::size_t last = events.rfind('\n', events.size() - 2) + 1;
  for (std::size_t length = last; length < events.size(); ++length) {
    folder_.write("run/events.jsonl", events.substr(0, length));
    const RunResult read = read_run(path("run"));
    EXPECT_EQ(read.stopped, "interrupted") << length;
    EXPECT_EQ(read.leaderboard.size(), 4u) << length;
  }
}

TEST_F(RunFolderTest, ADamagedLineIsNamed) {
  const std::string events = whole_run();
  std::vector<std::size_t> begins = {0};
  for (std::size_t at = 0; at + 1 < events.size(); ++at) {
    if (events[at] == '\n') begins.push_back(at + 1);
  }
  ASSERT_EQ(begins.size(), 11u);
  for (std::size_t line = 0; line < begins.size(); ++line) {
    std::string damaged = events;
    damaged[begins[line]] = '#';
    EXPECT_EQ(damage(damaged),
              path("damaged/events.jsonl") + ", line " + std::to_string(line + 1) +
                  ": this is no event of a run\nhint: train again, or copy the run folder again");
  }
}

TEST_F(RunFolderTest, ALineThatLacksAKeyIsNamed) {
  const std::string start = first_line(whole_run());
  for (const std::string event :
       {R"({"event": "note"})", R"({"elapsed": 1})", R"({"event": "warning", "elapsed": 1})",
        R"({"event": "candidate_ended", "elapsed": 1, "candidate": {}})",
        R"({"event": "data_read", "elapsed": 1, "rows": 3})",
        R"({"event": "run_ended", "elapsed": 1})", "[]", "null", ""}) {
    EXPECT_THAT(damage(start + event + "\n"), HasSubstr(", line 2: this is no event of a run"))
        << event;
  }
}

TEST_F(RunFolderTest, AnEventThatALaterVersionWritesIsPassedOver) {
  const std::string start = first_line(whole_run());
  EXPECT_EQ(damage(start + "{\"event\": \"weather\", \"elapsed\": 1}\n"), "");
}

TEST_F(RunFolderTest, AMetricThatDoesNotExistIsDamage) {
  std::string events = whole_run();
  const std::string metric = "\"metric\":\"mae\"";
  events.replace(events.find(metric), metric.size(), "\"metric\":\"eam\"");
  EXPECT_THAT(damage(events), HasSubstr("events.jsonl"));
}

TEST_F(RunFolderTest, EventsThatDoNotBeginWithAStartAreDamage) {
  EXPECT_EQ(damage(""),
            path("damaged/events.jsonl") +
                " does not begin with the start of a run\nhint: name the folder of a run");
  EXPECT_THAT(damage("{\"event\": \"note\", \"elapsed\": 1, \"text\": \"\"}\n"),
              HasSubstr("does not begin with the start of a run"));
}

TEST_F(RunFolderTest, AFolderThatHoldsNoRunIsSaid) {
  for (const std::string& path : {folder_.path(), path("none"), folder_.write("file", "")}) {
    EXPECT_FALSE(is_run_folder(path));
    try {
      read_run(path);
      FAIL() << path;
    } catch (const core::InvalidInput& error) {
      EXPECT_EQ(
          core::describe(error),
          path + " is not the folder of a run\nhint: name a folder that mutirao train has made");
    }
  }
}

TEST_F(RunFolderTest, TheDefaultPathIsNamedAfterTheDataAndTheTime) {
  EXPECT_TRUE(std::regex_match(default_run_path("x/diamonds.csv.gz"),
                               std::regex(R"(runs/diamonds-\d{8}T\d{6}Z)")));
  EXPECT_TRUE(
      std::regex_match(default_run_path("SELECT 1"), std::regex(R"(runs/query-\d{8}T\d{6}Z)")));
}

TEST_F(RunFolderTest, TheDefaultPathHasANumberBehindItWhenItIsTaken) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_.path());
  // Whichever second it is, the first two names of it are taken.
  std::string first;
  std::string third;
  do {
    fs::remove_all("runs");
    first = default_run_path("t.csv");
    fs::create_directories(first);
    fs::create_directories(first + "-2");
    third = default_run_path("t.csv");
  } while (!third.starts_with(first));
  fs::current_path(before);
  EXPECT_EQ(third, first + "-3");
}

}  // namespace
}  // namespace mutirao::train
