// `mutirao train` and `mutirao show`: what they print, what they leave behind, how they end.

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.hpp"

namespace mutirao::tests {
namespace {

using Json = nlohmann::ordered_json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> keys_of(const Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.push_back(key);
  return keys;
}

const Json& row_of(const Json& result, const std::string& model) {
  for (const Json& row : result.at("leaderboard")) {
    if (row.at("model") == model) return row;
  }
  throw std::runtime_error("no row for " + model);
}

class Train : public testing::Test {
 protected:
  /// Trains and expects success.
  Json train(const std::string& data, std::vector<std::string> options = {},
             const std::string& out = "run") {
    std::vector<std::string> arguments = {"train",  data,    "--target",
                                          "y",      "--out", out,
                                          "--json", "--set", "random_forest.n_estimators=10"};
    if (std::find(options.begin(), options.end(), "--models") == options.end())
      options.insert(options.end(), {"--models", kModels});
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Outcome outcome = place_.run(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    said_ = outcome.err;
    return outcome.code == 0 ? outcome.json() : Json();
  }

  static constexpr const char* kModels = "linear_regression,decision_tree,random_forest";

  std::string small() { return place_.write("t.csv", small_table(60)); }

  Workplace place_;
  std::string said_;
};

TEST_F(Train, PrintsOneObjectWithTheDocumentedKeysInOrder) {
  const Json result = train(small());
  EXPECT_THAT(keys_of(result),
              ElementsAre("schema", "version", "run", "data", "target", "task", "metric", "seed",
                          "cores", "seconds", "rows", "rows_dropped", "stopped", "warnings",
                          "columns", "leaderboard"));
  EXPECT_EQ(result["schema"], 1);
  EXPECT_EQ(result["run"], "run");
  EXPECT_EQ(result["data"], "t.csv");
  EXPECT_EQ(result["task"], "regression");
  EXPECT_EQ(result["metric"], "r2");
  EXPECT_EQ(result["rows"], 60);
  EXPECT_EQ(result["rows_dropped"], 0);
  EXPECT_TRUE(result["stopped"].is_null());
  EXPECT_THAT(keys_of(result["columns"][0]), ElementsAre("name", "type", "used", "why"));
  ASSERT_EQ(result["leaderboard"].size(), 5U);
  for (const Json& row : result["leaderboard"]) {
    EXPECT_THAT(keys_of(row),
                ElementsAre("model", "estimator", "status", "baseline", "params", "score",
                            "score_std", "metrics", "fold_scores", "cv_seconds", "fit_seconds",
                            "peak_rss_bytes", "model_file", "error"));
    EXPECT_EQ(row["status"], "ok");
    EXPECT_EQ(row["baseline"], row["model"] == "baseline");
    EXPECT_EQ(row["fold_scores"].size(), 5U);
    EXPECT_THAT(keys_of(row["metrics"]), ElementsAre("r2", "rmse", "mae", "mape"));
    EXPECT_EQ(row["metrics"]["r2"], row["score"]);
    EXPECT_GT(row["peak_rss_bytes"], 1'000'000);
    EXPECT_TRUE(row["error"].is_null());
    EXPECT_TRUE(place_.exists("run/" + row["model_file"].get<std::string>()));
  }
  EXPECT_EQ(row_of(result, "random_forest")["params"]["n_estimators"], 10);
  EXPECT_TRUE(row_of(result, "decision_tree")["params"]["max_depth"].is_null());
}

TEST_F(Train, WithoutModelsTheUsualOnesAreTrained) {
  const Outcome outcome =
      place_.run({"train", small(), "--target", "y", "--out", "run", "--json", "--quiet", "--set",
                  "random_forest.n_estimators=5", "--folds", "2"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json result = outcome.json();
  std::set<std::string> trained;
  for (const Json& row : result["leaderboard"]) trained.insert(row["model"]);
  trained.erase("gradient_boosting");  // where it is built in
  EXPECT_THAT(trained, ElementsAre("baseline", "decision_tree", "ensemble", "linear_regression",
                                   "random_forest"));
}

TEST_F(Train, AllTrainsEveryModelOfTheTask) {
  const Json result = train(small(), {"--models", "all", "--folds", "2"});
  std::set<std::string> trained;
  for (const Json& row : result["leaderboard"]) trained.insert(row["model"]);
  for (const char* model : {"baseline", "ridge", "lasso", "elastic_net", "k_neighbors",
                            "linear_regression", "decision_tree", "random_forest"})
    EXPECT_TRUE(trained.contains(model)) << model;
  EXPECT_FALSE(trained.contains("logistic_regression"));
}

TEST_F(Train, TheRunFolderHoldsWhatItShould) {
  train(small());
  for (const char* name : {"config.json", "events.jsonl", "oof.parquet", "report.html",
                           "models/linear_regression.mutirao", "models/decision_tree.mutirao",
                           "models/random_forest.mutirao"}) {
    EXPECT_TRUE(place_.exists(std::string("run/") + name)) << name;
  }
}

TEST_F(Train, WithoutOutTheRunIsNamedAfterDataAndTime) {
  const Outcome outcome = place_.run(
      {"train", small(), "--target", "y", "--models", "linear_regression", "--json", "--quiet"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.json()["run"].get<std::string>(),
              testing::MatchesRegex("runs/t-[0-9]{8}T[0-9]{6}Z"));
}

TEST_F(Train, ShowPrintsTheSameObjectAsTrain) {
  const Json result = train(small());
  EXPECT_EQ(place_.run({"show", "run", "--json"}).json(), result);
}

TEST_F(Train, TheLeaderboardIsInTheMetricsOwnDirection) {
  const Json result = train(small(), {"--metric", "mae"});
  const Json& board = result["leaderboard"];
  for (std::size_t i = 1; i < board.size(); ++i)
    EXPECT_GE(board[i]["score"], board[i - 1]["score"]);
  EXPECT_EQ(board[0]["score"], board[0]["metrics"]["mae"]);
}

TEST_F(Train, ASearchIsWrittenDownAndAnEnsembleCanBeLeftOut) {
  const Json result =
      train(small(), {"--models", "ridge,random_forest", "--folds", "2", "--search", "3"}, "with");
  EXPECT_EQ(result["leaderboard"].size(), 4U);
  const std::string events = place_.read("with/events.jsonl");
  std::size_t draws = 0;
  for (std::size_t at = 0; (at = events.find("\"draw_done\"", at)) != std::string::npos; ++at)
    ++draws;
  EXPECT_EQ(draws, 2U * 3U * 3U);
  const Outcome predicted = place_.run({"predict", "with", "t.csv", "--model", "ensemble"});
  EXPECT_EQ(predicted.code, 0) << predicted.err;
  const Json without = train(
      "t.csv", {"--models", "ridge,random_forest", "--folds", "2", "--no-ensemble"}, "without");
  EXPECT_EQ(without["leaderboard"].size(), 3U);
  EXPECT_THAT(place_.read("without/config.json"), HasSubstr("\"ensemble\": false"));
}

TEST_F(Train, OneSplitGivesOneScoreAndNoSpread) {
  const Json row = row_of(train(small(), {"--test-size", "0.25"}), "linear_regression");
  EXPECT_EQ(row["fold_scores"].size(), 1U);
  EXPECT_EQ(row["fold_scores"][0], row["score"]);
  EXPECT_TRUE(row["score_std"].is_null());
}

TEST_F(Train, AsManyFoldsAsRowsLeaveR2Undefined) {
  const Json result = train(small(), {"--folds", "60"});
  const Json& row = row_of(result, "linear_regression");
  EXPECT_TRUE(row["score"].is_null());
  EXPECT_FALSE(row["metrics"]["rmse"].is_null());
  // Nothing sets the candidates apart, so they stand in the order of `mutirao models`.
  EXPECT_EQ(result["leaderboard"][0]["model"], "linear_regression");
  EXPECT_EQ(result["leaderboard"][1]["model"], "decision_tree");
  EXPECT_EQ(result["leaderboard"][2]["model"], "random_forest");
}

TEST_F(Train, TheSeedAloneDecidesTheResultNotTheCores) {
  const std::string data = small();
  const auto scores = [](const Json& result) {
    Json all;
    for (const Json& row : result["leaderboard"]) all[row["model"]] = row["fold_scores"];
    return all;
  };
  const Json one = scores(train(data, {"--cores", "1"}, "one"));
  EXPECT_EQ(one, scores(train(data, {}, "all")));
  EXPECT_NE(one, scores(train(data, {"--seed", "1"}, "other")));
  for (const char* model : {"linear_regression", "decision_tree", "random_forest"}) {
    const std::string file = std::string("models/") + model + ".mutirao";
    EXPECT_EQ(place_.read("one/" + file), place_.read("all/" + file)) << model;
  }
}

TEST_F(Train, ARunRepeatsFromItsOwnConfiguration) {
  const Json first = train(small(), {"--seed", "7", "--folds", "3", "--drop", "b"}, "first");
  const Outcome outcome =
      place_.run({"train", "--config", "first/config.json", "--out", "again", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json again = outcome.json();
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(again["leaderboard"][i]["fold_scores"], first["leaderboard"][i]["fold_scores"]);
    EXPECT_EQ(again["leaderboard"][i]["params"], first["leaderboard"][i]["params"]);
  }
}

TEST_F(Train, WhatIsTypedGoesBeforeTheConfigurationFile) {
  small();
  place_.write("c.json", R"({"data": "t.csv", "target": "y", "folds": 3, "seed": 5,
                             "models": ["linear_regression"]})");
  const Outcome outcome =
      place_.run({"train", "--config", "c.json", "--out", "run", "--json", "--test-size", "0.5"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.json()["seed"], 5);
  EXPECT_EQ(outcome.json()["leaderboard"].size(), 2U);
  EXPECT_EQ(outcome.json()["leaderboard"][0]["fold_scores"].size(), 1U);
}

TEST_F(Train, RowsWithoutATargetAreDroppedCountedAndSaid) {
  place_.write("t.csv", small_table(60) + "1,2,red,\n3,4,red,NA\n");
  const Json result = train("t.csv");
  EXPECT_EQ(result["rows"], 60);
  EXPECT_EQ(result["rows_dropped"], 2);
  EXPECT_THAT(said_, HasSubstr("2 of 62 rows are dropped: their target is missing"));
}

TEST_F(Train, MissingCellsAndNewCategoriesAreLearnedFrom) {
  place_.write("t.csv", small_table(60) + ",2,red,10.5\n3,,mauve,20.5\n5,NaN,,30.5\n");
  const Json result = train("t.csv");
  EXPECT_EQ(result["rows"], 63);
  for (const Json& row : result["leaderboard"]) EXPECT_FALSE(row["score"].is_null());
}

TEST_F(Train, TenThousandCategoriesAreLearnedFrom) {
  std::string text = "kind,y\n";
  for (int i = 0; i < 20000; ++i)
    text += "k" + std::to_string(i % 10000) + "," + std::to_string(i % 10000 % 97) + ".5\n";
  place_.write("t.csv", text);
  const Json result = train("t.csv", {"--folds", "2", "--set", "random_forest.n_estimators=2"});
  EXPECT_EQ(result["leaderboard"].size(), 5U);
}

TEST_F(Train, ColumnsThatTeachNothingAreLeftOutAndSaid) {
  std::string text = ",name,same,a,y\n";
  for (int i = 0; i < 40; ++i) {
    text += std::to_string(i) + ",n" + std::to_string(i) + ",7," + std::to_string(i * i % 11) +
            "," + std::to_string(i * i % 11 + i % 3) + ".5\n";
  }
  place_.write("t.csv", text);
  const Json result = train("t.csv");
  const Json& columns = result["columns"];
  EXPECT_EQ(columns[0]["why"], "row numbers");
  EXPECT_EQ(columns[1]["why"], "text that is distinct in over 95% of the rows");
  EXPECT_EQ(columns[2]["why"], "constant");
  EXPECT_TRUE(columns[3]["used"]);
  EXPECT_TRUE(columns[3]["why"].is_null());
  EXPECT_EQ(columns[4]["why"], "target");
  EXPECT_THAT(said_, AllOf(HasSubstr("column 'same' is left out: constant"),
                           HasSubstr("column 'name' is left out: text")));
  const Json kept = train("t.csv", {"--categorical", "name"}, "kept");
  EXPECT_TRUE(kept["columns"][1]["used"]);
}

TEST_F(Train, AColumnThatGivesTheTargetAwayIsAWarning) {
  std::string text = "a,double,y\n";
  for (int i = 0; i < 40; ++i) {
    const int y = i * 37 % 41;
    text += std::to_string(i % 5) + "," + std::to_string(2 * y) + "," + std::to_string(y) + ".5\n";
  }
  place_.write("t.csv", text);
  const Json result = train("t.csv");
  ASSERT_EQ(result["warnings"].size(), 1U);
  EXPECT_THAT(result["warnings"][0].get<std::string>(), HasSubstr("column 'double' alone"));
}

TEST_F(Train, DependentColumnsGiveTheMinimumNormSolution) {
  std::string text = "a,b,y\n";
  for (int i = 0; i < 40; ++i) {
    const std::string a = std::to_string(i % 7);
    text.append(a).append(",").append(a).append(",");
    text.append(std::to_string(10 * (i % 7))).append(".5\n");
  }
  place_.write("t.csv", text);
  ASSERT_EQ(place_
                .run({"train", "t.csv", "--target", "y", "--out", "run", "--models",
                      "linear_regression", "--quiet"})
                .code,
            0);
  place_.write("new.csv", "a,b\n4,4\n4,0\n");
  const Outcome outcome = place_.run({"predict", "run", "new.csv"});
  // Each of the two equal columns carries half of the slope.
  double both = 0.0;
  double one = 0.0;
  ASSERT_EQ(std::sscanf(outcome.out.c_str(), "prediction\n%lf\n%lf\n", &both, &one), 2);
  EXPECT_NEAR(both, 40.5, 1e-9);
  EXPECT_NEAR(one, 20.5, 1e-9);
}

TEST_F(Train, WeightsAndGroupsAreNoFeaturesAndPredictionsDoNotNeedThem) {
  std::string text = "a,shop,w,y\n";
  for (int i = 0; i < 60; ++i) {
    text += std::to_string(i * 7 % 31) + ",s" + std::to_string(i / 6) + "," +
            std::to_string(i % 4) + "," + std::to_string(i * 7 % 31 * 3) + ".5\n";
  }
  place_.write("t.csv", text);
  const Json result = train(
      "t.csv", {"--weight", "w", "--group", "shop", "--models", "decision_tree,random_forest"});
  EXPECT_EQ(result["columns"][1]["why"], "group");
  EXPECT_EQ(result["columns"][2]["why"], "weight");
  EXPECT_EQ(result["rows"], 45) << "a row of weight zero is as if it were not there";
  EXPECT_EQ(result["rows_dropped"], 15);
  EXPECT_THAT(said_, HasSubstr("15 of 60 rows are dropped: their weight is 0"));
  place_.write("new.csv", "a\n4\n");
  const Outcome outcome = place_.run({"predict", "run", "new.csv"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  // A row of another weight counts otherwise.
  const Json plain =
      train("t.csv", {"--drop", "w", "--group", "shop", "--models", "decision_tree,random_forest"},
            "plain");
  EXPECT_NE(row_of(plain, "baseline")["fold_scores"], row_of(result, "baseline")["fold_scores"]);
}

TEST_F(Train, TimeOrderedFoldsLeaveTheFirstStretchUntested) {
  std::string text = "a,day,y\n";
  for (int i = 0; i < 60; ++i) {
    text += std::to_string(i * 7 % 31) + ",2024-0" + std::to_string(1 + i % 6) + "-1" +
            std::to_string(i / 6) + "," + std::to_string(i * 7 % 31 * 3) + ".5\n";
  }
  place_.write("t.csv", text);
  const Json ordered = train("t.csv", {"--time", "day", "--folds", "4"});
  EXPECT_EQ(row_of(ordered, "decision_tree")["fold_scores"].size(), 4U);
  const Json tested = train(
      "SELECT count(*) AS n, min(row) AS first, fold, 1.5 + fold AS y FROM "
      "'run/oof.parquet' GROUP BY fold ORDER BY fold",
      {"--folds", "2"}, "counted");
  EXPECT_EQ(tested["rows"], 4);
  const Json last = train("t.csv", {"--time", "day", "--test-size", "0.25"}, "last");
  EXPECT_EQ(row_of(last, "decision_tree")["fold_scores"].size(), 1U);
}

TEST_F(Train, WhatIsOddAboutAColumnIsAWarningAndTheRunStands) {
  std::string text = "a,id,day,huge,gone,y\n";
  for (int i = 0; i < 30; ++i) {
    text += std::to_string(i * 7 % 31) + "," + std::to_string(9007199254740993 + 2 * i) + "," +
            (i == 4 ? "4.1.2024" : "2024-01-1" + std::to_string(i % 9)) + "," +
            (i == 7 ? "1e308" : "1") + ",," + std::to_string(i * 7 % 31 * 3) + ".5\n";
  }
  place_.write("t.csv", text);
  const Json result = train("t.csv", {"--models", "decision_tree,random_forest"});
  const std::string warnings = result["warnings"].dump();
  EXPECT_THAT(warnings, AllOf(HasSubstr("column 'id' holds integers beyond 2^53"),
                              HasSubstr("column 'huge' holds values as large as 1e+308"),
                              HasSubstr("but line 6 holds '4.1.2024'")));
  EXPECT_THAT(said_, HasSubstr("column 'gone' is left out: missing in every row"));
}

TEST_F(Train, QuietSaysNothingOnStderr) {
  train(small(), {"--quiet"});
  EXPECT_EQ(said_, "");
}

TEST_F(Train, APlainLogHasALinePerFoldAndNoControlCharacters) {
  train(small());
  EXPECT_THAT(said_, AllOf(HasSubstr("decision_tree begins in process "),
                           HasSubstr("decision_tree: fold 5 of 5, r2 "),
                           HasSubstr("decision_tree done: r2 "), Not(HasSubstr("\x1b"))));
}

TEST_F(Train, AQueryIsATable) {
  small();
  const Json result = train("SELECT a, b, y FROM 't.csv' WHERE a < 900");
  EXPECT_EQ(result["columns"].size(), 3U);
  EXPECT_LT(result["rows"], 60);
}

TEST_F(Train, EveryModelRunsInAProcessOfItsOwn) {
  train(small());
  std::set<int> processes;
  std::istringstream events(place_.read("run/events.jsonl"));
  for (std::string line; std::getline(events, line);) {
    const Json event = Json::parse(line);
    if (event["event"] == "candidate_started") processes.insert(event["pid"].get<int>());
  }
  EXPECT_EQ(processes.size(), 4U);
}

// The model that is killed has enough trees to be still at it.
const std::vector<std::string> kLongForest = {
    "train",  "t.csv", "--target",
    "y",      "--out", "run",
    "--json", "--set", "random_forest.n_estimators=10000000"};
const std::vector<std::string> kThreeModels = {"--models",
                                               "linear_regression,decision_tree,random_forest"};

pid_t process_in(const std::string& line) {
  return std::atoi(line.substr(line.rfind(' ') + 1).c_str());
}

TEST_F(Train, ACandidateWhoseProcessDiesIsARowAndTheOthersStand) {
  small();
  std::vector<std::string> arguments = kLongForest;
  arguments.insert(arguments.end(), kThreeModels.begin(), kThreeModels.end());
  Program program(arguments, place_.path());
  const auto line = program.wait_for_line("random_forest begins in process");
  ASSERT_TRUE(line);
  ASSERT_TRUE(program.wait_for_line("linear_regression done"));
  ASSERT_TRUE(program.wait_for_line("decision_tree done"));
  ::kill(process_in(*line), SIGKILL);
  const Outcome outcome = program.wait();
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  const Json result = outcome.json();
  ASSERT_EQ(result["leaderboard"].size(), 5U);
  EXPECT_EQ(row_of(result, "ensemble")["params"].contains("random_forest"), false);
  const Json& last = result["leaderboard"][4];
  EXPECT_EQ(last["model"], "random_forest");
  EXPECT_EQ(last["status"], "crashed");
  EXPECT_TRUE(last["score"].is_null());
  EXPECT_TRUE(last["model_file"].is_null());
  EXPECT_THAT(last["error"].get<std::string>(), HasSubstr("SIGKILL"));
  EXPECT_EQ(result["leaderboard"][0]["status"], "ok");
  EXPECT_THAT(place_.run({"show", "run"}).out, HasSubstr("crashed: "));
}

TEST_F(Train, WhenEveryCandidateDiesNothingWasFinished) {
  small();
  std::vector<std::string> arguments = kLongForest;
  arguments.insert(arguments.end(), {"--models", "random_forest"});
  Program program(arguments, place_.path());
  const auto line = program.wait_for_line("random_forest begins in process");
  ASSERT_TRUE(line);
  ::kill(process_in(*line), SIGSEGV);
  const Outcome outcome = program.wait();
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(row_of(outcome.json(), "random_forest")["status"], "crashed");
  EXPECT_EQ(row_of(outcome.json(), "baseline")["status"], "ok");
  EXPECT_EQ(place_.run({"predict", "run", "t.csv"}).code, 2) << "the baseline is no best model";
}

TEST_F(Train, AnInterruptEndsTheRunAndKeepsWhatWasDone) {
  small();
  std::vector<std::string> arguments = kLongForest;
  arguments.insert(arguments.end(), kThreeModels.begin(), kThreeModels.end());
  Program program(arguments, place_.path());
  ASSERT_TRUE(program.wait_for_line("random_forest begins in process"));
  ASSERT_TRUE(program.wait_for_line("linear_regression done"));
  ASSERT_TRUE(program.wait_for_line("decision_tree done"));
  ASSERT_TRUE(program.wait_for_line("baseline done"));
  program.send_signal(SIGINT);
  const Outcome outcome = program.wait();
  EXPECT_EQ(outcome.code, 130);
  const Json result = outcome.json();
  EXPECT_EQ(result["stopped"], "interrupted");
  EXPECT_EQ(result["leaderboard"].size(), 3U);
  EXPECT_EQ(place_.run({"predict", "run", "t.csv"}).code, 0);
}

TEST_F(Train, WorkersEndWithAProgramThatIsKilled) {
  small();
  std::vector<std::string> arguments = kLongForest;
  arguments.insert(arguments.end(), kThreeModels.begin(), kThreeModels.end());
  Program program(arguments, place_.path());
  const auto line = program.wait_for_line("random_forest begins in process");
  ASSERT_TRUE(line);
  const pid_t worker = process_in(*line);
  program.send_signal(SIGKILL);
  // The pipes close when the last process that writes to them has ended.
  EXPECT_EQ(program.wait().code, 128 + SIGKILL);
  EXPECT_NE(::kill(worker, 0), 0);
  const Json left = place_.run({"show", "run", "--json"}).json();
  EXPECT_EQ(left["stopped"], "interrupted");
}

TEST_F(Train, AResultThatCannotBePrintedIsAFailure) {
  small();
  const std::string command = "cd " + place_.path().string() + " && " + MUTIRAO_PROGRAM +
                              " show run > /dev/full 2> said; echo $? > code";
  train("t.csv");
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(place_.read("code"), "1\n");
  EXPECT_THAT(place_.read("said"), HasSubstr("cannot write the result to stdout: "));
}

// The yardstick on the shipped table: scikit-learn 1.2.1, 5 shuffled folds, one-hot for the linear
// model and codes for the trees.
TEST_F(Train, TheDiamondsAreLearnedAsWellAsByScikitLearn) {
  const Outcome outcome = place_.run({"train", diamonds(), "--target", "price", "--out", "run",
                                      "--json", "--quiet", "--models", kModels});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json result = outcome.json();
  EXPECT_EQ(result["rows"], 53940);
  EXPECT_NEAR(row_of(result, "linear_regression")["score"], 0.9196, 0.002);
  EXPECT_NEAR(row_of(result, "decision_tree")["score"], 0.9653, 0.002);
  EXPECT_NEAR(row_of(result, "random_forest")["score"], 0.9810, 0.002);
  EXPECT_EQ(result["leaderboard"][0]["model"], "ensemble");
  EXPECT_EQ(result["leaderboard"][1]["model"], "random_forest");
}

}  // namespace
}  // namespace mutirao::tests
