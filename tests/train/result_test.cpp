#include "mutirao/train/result.hpp"

#include <cmath>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "made_up_run.hpp"
#include "mutirao/core/error.hpp"

namespace mutirao::train {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> keys_of(const Json& json) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  return keys;
}

CandidateResult candidate(const std::string& name, double score,
                          CandidateStatus status = CandidateStatus::kOk) {
  CandidateResult row;
  row.model = name;
  row.score = score;
  row.status = status;
  return row;
}

std::vector<std::string> ranked(std::vector<CandidateResult> rows, const std::string& metric) {
  rank(rows, models::find_metric(metric));
  std::vector<std::string> names;
  for (const CandidateResult& row : rows) names.push_back(row.model);
  return names;
}

TEST(Result, ItsKeysStandInTheDocumentedOrder) {
  const Json json = to_json(made_up_run());
  EXPECT_THAT(keys_of(json),
              ElementsAre("schema", "version", "run", "data", "target", "task", "metric", "seed",
                          "cores", "seconds", "rows", "rows_dropped", "stopped", "warnings",
                          "columns", "leaderboard"));
  EXPECT_THAT(keys_of(json["columns"][0]), ElementsAre("name", "type", "used", "why"));
  for (const Json& row : json["leaderboard"]) {
    EXPECT_THAT(keys_of(row),
                ElementsAre("model", "estimator", "status", "baseline", "params", "score",
                            "score_std", "metrics", "fold_scores", "cv_seconds", "fit_seconds",
                            "peak_rss_bytes", "model_file", "error"));
  }
}

TEST(Result, OfClassesNamesThemBehindTheTask) {
  const Json json = to_json(made_up_classification());
  EXPECT_THAT(keys_of(json),
              ElementsAre("schema", "version", "run", "data", "target", "task", "classes",
                          "positive", "metric", "seed", "cores", "seconds", "rows", "rows_dropped",
                          "stopped", "warnings", "columns", "leaderboard"));
  EXPECT_EQ(json["classes"].dump(), R"(["no","yes"])");
  EXPECT_EQ(json["positive"], "yes");
  RunResult three = made_up_classification();
  three.classes.push_back("perhaps");
  three.positive.reset();
  EXPECT_TRUE(to_json(three)["positive"].is_null());
  for (const RunResult& run : {made_up_classification(), three})
    EXPECT_EQ(to_json(run_result_from_json(to_json(run), "here")).dump(), to_json(run).dump());
}

TEST(Result, DetailsAreReadBackAndHoldOnlyWhatThereIs) {
  const RunResult run = made_up_classification();
  for (const CandidateResult& row : run.leaderboard) {
    const Json json = to_json(row.details);
    EXPECT_EQ(to_json(details_from_json(json, "here")).dump(), json.dump());
  }
  EXPECT_THAT(keys_of(to_json(run.leaderboard[0].details)), ElementsAre("confusion", "roc"));
  EXPECT_THAT(keys_of(to_json(run.leaderboard[1].details)), ElementsAre("confusion"));
  EXPECT_EQ(
      to_json(made_up_run().leaderboard[0].details).dump(),
      R"({"importances":[{"feature":"carat","importance":0.75},{"feature":"cut","importance":0.25}]})");
  EXPECT_EQ(details_from_json(to_json(made_up_run().leaderboard[0].details), "here").importances,
            made_up_run().leaderboard[0].details.importances);
  EXPECT_EQ(to_json(made_up_run().leaderboard[1].details).dump(), "{}");
  EXPECT_THROW(details_from_json(Json::parse(R"({"roc": {}})"), "here"), core::CorruptFile);
}

TEST(Result, WritesEachKindOfValueAsJsonHasIt) {
  const Json json = to_json(made_up_run());
  EXPECT_EQ(json["schema"], 1);
  EXPECT_EQ(json["task"], "regression");
  EXPECT_TRUE(json["stopped"].is_null());
  EXPECT_EQ(json["columns"][2].dump(),
            R"({"name":"sold","type":"timestamp","used":false,"why":"constant"})");
  EXPECT_EQ(json["columns"][0].dump(),
            R"({"name":"carat","type":"number","used":true,"why":null})");
  const Json& forest = json["leaderboard"][0];
  EXPECT_EQ(
      forest["params"].dump(),
      R"({"bootstrap":true,"max_depth":null,"max_features":"sqrt","max_samples":0.5,"n_estimators":100})");
  EXPECT_EQ(forest["metrics"].dump(),
            R"({"r2":0.98125,"rmse":546.5,"mae":269.0625,"mape":0.0625})");
  EXPECT_EQ(forest["fold_scores"].dump(), "[0.98,0.9825]");
  EXPECT_TRUE(forest["error"].is_null());
  EXPECT_EQ(json["leaderboard"][3]["status"], "crashed");
  EXPECT_TRUE(json["leaderboard"][3]["model_file"].is_null());
  EXPECT_EQ(json["leaderboard"][3]["params"].dump(), "{}");
  EXPECT_EQ(json["leaderboard"][3]["metrics"].dump(), "{}");
  EXPECT_EQ(json["leaderboard"][3]["fold_scores"].dump(), "[]");
}

TEST(Result, ANumberThatIsNotDefinedIsNull) {
  const Json unscored = to_json(made_up_run())["leaderboard"][2];
  EXPECT_TRUE(unscored["score"].is_null());
  EXPECT_TRUE(unscored["score_std"].is_null());
  EXPECT_EQ(unscored["metrics"].dump(), R"({"r2":null,"rmse":null,"mae":null,"mape":null})");
  EXPECT_EQ(unscored["fold_scores"].dump(), "[null,0.25]");
}

TEST(Result, AResultThatWasWrittenIsReadBack) {
  for (const auto& stopped :
       {std::optional<std::string>(), std::optional<std::string>("interrupted")}) {
    RunResult run = made_up_run();
    run.stopped = stopped;
    run.seed = 18446744073709551615U;
    const Json json = to_json(run);
    const RunResult read = run_result_from_json(Json::parse(json.dump()), "here");
    EXPECT_EQ(to_json(read).dump(), json.dump());
    EXPECT_EQ(read.leaderboard[0].params, run.leaderboard[0].params);
    EXPECT_EQ(read.stopped, stopped);
    EXPECT_TRUE(std::isnan(read.leaderboard[2].score));
    EXPECT_TRUE(std::isnan(read.leaderboard[2].fold_scores[0]));
    EXPECT_EQ(read.leaderboard[3].error, run.leaderboard[3].error);
    EXPECT_EQ(read.columns[0].why, "");
    EXPECT_EQ(read.columns[2].type, data::ColumnType::kTimestamp);
  }
}

TEST(Result, EveryStatusIsReadBack) {
  for (const auto& [status, name] :
       std::vector<std::pair<CandidateStatus, std::string>>{{CandidateStatus::kOk, "ok"},
                                                            {CandidateStatus::kCrashed, "crashed"},
                                                            {CandidateStatus::kTimeout, "timeout"},
                                                            {CandidateStatus::kMemory, "memory"},
                                                            {CandidateStatus::kFailed, "failed"}}) {
    EXPECT_EQ(name_of(status), name);
    const Json json = to_json(candidate("x", 1.0, status));
    EXPECT_EQ(json["status"], name);
    EXPECT_EQ(candidate_result_from_json(json, "here").status, status);
  }
}

TEST(Result, AnObjectThatIsNoneOfOursIsADamagedFile) {
  const Json good = to_json(made_up_run());
  const auto complaint = [](const Json& json) -> std::string {
    try {
      run_result_from_json(json, "here");
    } catch (const core::CorruptFile& error) {
      return core::describe(error);
    }
    return "";
  };
  EXPECT_EQ(complaint(good), "");
  for (const auto& [key, value] : good.items()) {
    if (key == "schema") continue;
    Json damaged = good;
    damaged.erase(key);
    EXPECT_THAT(complaint(damaged), HasSubstr("here is damaged: ")) << key;
    damaged = good;
    damaged[key] = Json::object({{"x", 1}});
    EXPECT_THAT(complaint(damaged), HasSubstr("\nhint: train again, or copy the run folder again"))
        << key;
  }
  for (const auto& [key, value] : good["leaderboard"][0].items()) {
    Json damaged = good;
    damaged["leaderboard"][0].erase(key);
    EXPECT_NE(complaint(damaged), "") << key;
  }
  Json damaged = good;
  damaged["leaderboard"][0]["status"] = "splendid";
  EXPECT_NE(complaint(damaged), "");
  damaged = good;
  damaged["columns"][0]["type"] = "colour";
  EXPECT_NE(complaint(damaged), "");
  EXPECT_NE(complaint(Json::array()), "");
  EXPECT_NE(complaint(nullptr), "");
}

TEST(Result, TheBestStandsFirstInTheMetricsOwnDirection) {
  const std::vector<CandidateResult> rows = {candidate("half", 0.5), candidate("one", 1.0),
                                             candidate("minus", -3.0)};
  EXPECT_THAT(ranked(rows, "r2"), ElementsAre("one", "half", "minus"));
  EXPECT_THAT(ranked(rows, "rmse"), ElementsAre("minus", "half", "one"));
  EXPECT_THAT(ranked(rows, "mae"), ElementsAre("minus", "half", "one"));
}

TEST(Result, WhatHasNoScoreStandsLastAndWhatFailedBehindIt) {
  const double nan = std::nan("");
  const std::vector<CandidateResult> rows = {candidate("crashed", 9.0, CandidateStatus::kCrashed),
                                             candidate("unscored", nan), candidate("good", 0.5),
                                             candidate("failed", nan, CandidateStatus::kFailed),
                                             candidate("bad", -5.0)};
  EXPECT_THAT(ranked(rows, "r2"), ElementsAre("good", "bad", "unscored", "crashed", "failed"));
  EXPECT_THAT(ranked(rows, "mae"), ElementsAre("bad", "good", "unscored", "crashed", "failed"));
}

TEST(Result, EqualsKeepTheirOrder) {
  EXPECT_THAT(ranked({candidate("b", 0.5), candidate("a", 0.5), candidate("c", 0.5)}, "r2"),
              ElementsAre("b", "a", "c"));
  EXPECT_THAT(ranked({candidate("plus", 0.0), candidate("minus", -0.0)}, "r2"),
              ElementsAre("plus", "minus"));
}

TEST(Result, TheBestIsTheFirstThatPredictsAndIsNoBaseline) {
  RunResult run = made_up_run();
  EXPECT_EQ(best_of(run), &run.leaderboard[0]);
  run.leaderboard[0].baseline = true;
  EXPECT_EQ(best_of(run), &run.leaderboard[1]);
  run.leaderboard[1].model_file.reset();
  EXPECT_EQ(best_of(run), &run.leaderboard[2]);
  run.leaderboard[2].status = CandidateStatus::kFailed;
  EXPECT_EQ(best_of(run), nullptr);
  run.leaderboard.clear();
  EXPECT_EQ(best_of(run), nullptr);
}

}  // namespace
}  // namespace mutirao::train
