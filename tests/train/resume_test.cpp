// Runs that go on after they were cut off, at whatever moment.

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../data/temporary_folder.hpp"
#include "complaint.hpp"
#include "mutirao/core/file.hpp"
#include "mutirao/train/run_folder.hpp"
#include "mutirao/train/train.hpp"
#include "some_tables.hpp"

namespace mutirao::train {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

/// Ends the run when the event of that number has been written.
class StopAfter : public RunObserver {
 public:
  explicit StopAfter(std::size_t events) : left_(events) {}
  void on_event(const Json& event) override {
    last_ = event["event"];
    if (left_ != 0 && --left_ == 0) source_.request_stop();
  }
  std::stop_token token() const { return source_.get_token(); }
  const std::string& last() const { return last_; }

 private:
  std::size_t left_;
  std::string last_;
  std::stop_source source_;
};

class Resume : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_.file(name); }
  TrainConfig config() const {
    TrainConfig config{.data = path("t.csv"),
                       .target = "y",
                       .models = {"linear_regression", "decision_tree", "small=random_forest"},
                       .folds = 3};
    config.set["small"]["n_estimators"] = "4";
    return config;
  }
  void SetUp() override { folder_.write("t.csv", some_csv(80)); }

  /// Begins a run and stops it after so many events; whether it was stopped in its middle.
  bool begin(const std::string& name, std::size_t events, const TrainConfig& config) const {
    StopAfter stopper(events);
    return train(config, {.out = path(name), .observer = &stopper, .stop = stopper.token()})
        .stopped.has_value();
  }
  /// The leaderboard, less what depends on the clock and the machine.
  static std::string scores(const RunResult& result) {
    Json rows = to_json(result)["leaderboard"];
    for (Json& row : rows) {
      for (const char* key : {"cv_seconds", "fit_seconds", "peak_rss_bytes"}) row.erase(key);
    }
    return rows.dump(1);
  }
  static std::vector<std::string> events(const std::string& run) {
    std::vector<std::string> names;
    std::ifstream file(run + "/events.jsonl");
    for (std::string line; std::getline(file, line);) names.push_back(Json::parse(line)["event"]);
    return names;
  }
  static std::size_t count(const std::vector<std::string>& names, const std::string& name) {
    return static_cast<std::size_t>(std::count(names.begin(), names.end(), name));
  }
  /// The events of a run, of which one key was changed.
  static void change(const std::string& file, const std::string& before, const std::string& after) {
    std::string text = core::read_file(file);
    const std::size_t at = text.find(before);
    ASSERT_NE(at, std::string::npos) << before;
    text.replace(at, before.size(), after);
    std::ofstream(file) << text;
  }
  std::string refusal(const std::string& run) const {
    return complaint<core::InvalidInput>([&] { resume(path(run)); });
  }

  data::TemporaryFolder folder_;
};

TEST_F(Resume, WhereverARunWasCutOffItsLeaderboardIsThatOfAnUndisturbedOne) {
  const RunResult whole = train(config(), {.out = path("whole")});
  const std::string expected = scores(whole);
  const std::size_t last = events(path("whole")).size();
  // Not after the first event: a run that has not read its data leaves nothing.
  for (std::size_t events = 2; events < last + 12; events += 12) {
    const std::string name = "run" + std::to_string(events);
    StopAfter stopper(events);
    try {
      train(config(), {.out = path(name), .observer = &stopper, .stop = stopper.token()});
    } catch (const core::Error& error) {
      EXPECT_EQ(error.code(), core::ErrorCode::kCancelled);
      continue;
    }
    const RunResult resumed = resume(path(name));
    EXPECT_EQ(scores(resumed), expected) << "cut off after " << events << " events";
    EXPECT_EQ(resumed.stopped, std::nullopt);
    EXPECT_FALSE(fs::exists(path(name + "/folds")));
    for (const CandidateResult& row : resumed.leaderboard) {
      EXPECT_EQ(core::read_file(path(name + "/" + *row.model_file)),
                core::read_file(path("whole/" + *row.model_file)));
    }
    EXPECT_EQ(core::read_file(path(name + "/oof.parquet")),
              core::read_file(path("whole/oof.parquet")));
  }
}

TEST_F(Resume, ASearchThatWasCutOffChoosesAsAnUndisturbedOne) {
  TrainConfig asked = config();
  asked.models = {"ridge"};
  asked.set.clear();
  asked.folds = 2;
  asked.search = 2;
  const RunResult whole = train(asked, {.out = path("whole")});
  const std::vector<std::string> told = events(path("whole"));
  // In the middle of the draws, and behind the last of them.
  for (const std::size_t draws : {2u, 6u}) {
    std::size_t at = 0;
    for (std::size_t found = 0; found < draws; ++at) found += told[at] == "draw_done" ? 1 : 0;
    const std::string name = "run" + std::to_string(draws);
    ASSERT_TRUE(begin(name, at, asked));
    EXPECT_EQ(scores(resume(path(name))), scores(whole)) << draws;
    EXPECT_EQ(count(events(path(name)), "draw_done"), 6u) << "none was drawn again";
  }
}

TEST_F(Resume, NothingThatWasDoneIsDoneAgain) {
  begin("run", 1000, config());
  const std::vector<std::string> told = events(path("run"));
  const std::string file = path("run/models/decision_tree.mutirao");
  const auto saved = fs::last_write_time(file);
  // As if it had been killed before its last words.
  std::string text = core::read_file(path("run/events.jsonl"));
  text.resize(text.rfind('\n', text.size() - 2) + 1);
  std::ofstream(path("run/events.jsonl")) << text;
  const RunResult resumed = resume(path("run"));
  EXPECT_EQ(fs::last_write_time(file), saved);
  // The folds' predictions had been removed, so that folds, and only they, are done once more.
  EXPECT_EQ(count(events(path("run")), "model_saved"), count(told, "model_saved"));
  EXPECT_EQ(resumed.leaderboard.size(), 5u);
}

TEST_F(Resume, ARunThatIsCompleteIsOnlyRead) {
  const RunResult whole = train(config(), {.out = path("run")});
  const std::string before = core::read_file(path("run/events.jsonl"));
  EXPECT_EQ(to_json(resume(path("run"))).dump(), to_json(whole).dump());
  EXPECT_EQ(core::read_file(path("run/events.jsonl")), before);
}

TEST_F(Resume, AHalfLastLineIsDropped) {
  ASSERT_TRUE(begin("run", 20, config()));
  std::ofstream(path("run/events.jsonl"), std::ios::app) << R"({"event":"fold_done","mod)";
  EXPECT_EQ(scores(resume(path("run"))), scores(train(config(), {.out = path("whole")})));
  EXPECT_EQ(count(events(path("run")), "run_resumed"), 1u);
}

TEST_F(Resume, ADamagedFoldIsDoneAgain) {
  ASSERT_TRUE(begin("run", 30, config()));
  for (const fs::directory_entry& file : fs::directory_iterator(path("run/folds"))) {
    std::string text = core::read_file(file.path().string());
    text.back() = static_cast<char>(text.back() ^ 1);
    std::ofstream(file.path()) << text;
  }
  EXPECT_EQ(scores(resume(path("run"))), scores(train(config(), {.out = path("whole")})));
}

TEST_F(Resume, WhatDeadProcessesWereWritingIsRemoved) {
  ASSERT_TRUE(begin("run", 30, config()));
  for (const char* name : {"oof.parquet", "models/small.mutirao", "folds/small.1"})
    folder_.write("run/" + std::string(name) + ".1.unfinished", "half");
  resume(path("run"));
  for (const auto& entry : fs::recursive_directory_iterator(path("run")))
    EXPECT_FALSE(entry.path().string().ends_with(".unfinished")) << entry.path();
}

TEST_F(Resume, ACandidateThatFailedStaysFailed) {
  TrainConfig asked = config();
  asked.set["small"]["max_samples"] = "5000";
  train(asked, {.out = path("run")});
  std::string text = core::read_file(path("run/events.jsonl"));
  text.resize(text.rfind('\n', text.size() - 2) + 1);
  std::ofstream(path("run/events.jsonl")) << text;
  const RunResult resumed = resume(path("run"));
  EXPECT_EQ(resumed.leaderboard.back().model, "small");
  EXPECT_EQ(resumed.leaderboard.back().status, CandidateStatus::kFailed);
  EXPECT_EQ(count(events(path("run")), "candidate_ended"), 5u + 4u)
      << "those of the lost folds, and the ensemble";
}

TEST_F(Resume, ARunMovesWithItsData) {
  fs::create_directories(path("here"));
  fs::copy_file(path("t.csv"), path("here/t.csv"));
  TrainConfig asked = config();
  asked.data = path("here/t.csv");
  ASSERT_TRUE(begin("here/run", 20, asked));
  fs::rename(path("here"), path("there"));
  EXPECT_EQ(scores(resume(path("there/run"))), scores(train(config(), {.out = path("whole")})));
}

TEST_F(Resume, OtherDataIsRefused) {
  ASSERT_TRUE(begin("run", 20, config()));
  folder_.write("t.csv", some_csv(81));
  EXPECT_EQ(refusal("run"), "the data " + path("t.csv") + " has changed since the run " +
                                path("run") +
                                " began: there were 80 rows, and now are 81\nhint: bring back the "
                                "data as it was, or train again into another folder");
  folder_.write("t.csv", some_csv(80, 2));
  EXPECT_THAT(refusal("run"), HasSubstr("there are other cells or columns"));
  folder_.write("t.csv", some_csv(80));
  EXPECT_EQ(resume(path("run")).stopped, std::nullopt) << "what was done is still there";
}

TEST_F(Resume, DataThatIsNotThereAnyMoreIsSaid) {
  ASSERT_TRUE(begin("run", 20, config()));
  fs::rename(path("t.csv"), path("elsewhere.csv"));
  EXPECT_EQ(refusal("run"), "the data " + path("t.csv") + " of the run " + path("run") +
                                " is not there any more\nhint: bring it back to " + path("t.csv") +
                                ", or put it where it lay as seen from the run: ../t.csv");
  fs::rename(path("elsewhere.csv"), path("t.csv"));
  EXPECT_EQ(resume(path("run")).stopped, std::nullopt) << "what was done is still there";
}

TEST_F(Resume, OtherOptionsAreRefused) {
  ASSERT_TRUE(begin("run", 20, config()));
  change(path("run/config.json"), "\"seed\": 0", "\"seed\": 1");
  EXPECT_EQ(refusal("run"), "the options of the run " + path("run") +
                                " have changed: it began with seed 0, and config.json says 1\n"
                                "hint: put config.json back as it was, or train again into another "
                                "folder");
}

TEST_F(Resume, AnotherVersionIsRefused) {
  ASSERT_TRUE(begin("run", 20, config()));
  change(path("run/events.jsonl"), "\"version\":\"", "\"version\":\"9");
  EXPECT_THAT(refusal("run"),
              AllOf(StartsWith("the run " + path("run") + " was begun by mutirao 9"),
                    HasSubstr("hint: go on with that version")));
}

TEST_F(Resume, WhatIsNoRunIsRefused) {
  EXPECT_THAT(refusal("none"), HasSubstr("is not the folder of a run"));
}

TEST_F(Resume, WhileAnotherProcessWritesItIsNamed) {
  ASSERT_TRUE(begin("run", 20, config()));
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t other = ::fork();
  if (other == 0) {
    // Holds the folder until it is killed.
    const RunFolder folder(RunFolder::Existing{}, path("run"));
    const bool told = ::write(ready[1], "x", 1) == 1;
    while (told) ::pause();
    ::_exit(1);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  const std::string said = complaint<core::InvalidArgument>([&] { resume(path("run")); });
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  // The last that wrote events is the one that is known.
  EXPECT_THAT(said, AllOf(HasSubstr("is being written to by process " + std::to_string(::getpid())),
                          HasSubstr("hint: wait until it has ended, or end it")));
  EXPECT_EQ(resume(path("run")).stopped, std::nullopt);
}

TEST_F(Resume, AFolderThatIsRemovedInMidRunIsAnError) {
  class Remover : public RunObserver {
   public:
    explicit Remover(std::string run) : run_(std::move(run)) {}
    void on_event(const Json& event) override {
      if (event["event"] == "candidate_queued") fs::remove_all(run_);
    }

   private:
    const std::string run_;
  } remover(path("run"));
  EXPECT_THAT(complaint<core::IoError>(
                  [&] { train(config(), {.out = path("run"), .observer = &remover}); }),
              HasSubstr("the run folder " + path("run") + " was removed, or moved, in mid run"));
}

}  // namespace
}  // namespace mutirao::train
