#include "mutirao/train/train.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <functional>
#include <map>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include <sys/mount.h>
#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../data/temporary_folder.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/file.hpp"
#include "mutirao/data/source.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/models/model.hpp"
#include "mutirao/train/candidates.hpp"
#include "mutirao/train/run_folder.hpp"
#include "some_tables.hpp"

namespace mutirao::train {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;
using testing::UnorderedElementsAre;

const std::vector<std::string> kModels = {"linear_regression", "decision_tree", "random_forest"};

/// Keeps what a run says.
class Listener : public RunObserver {
 public:
  void on_event(const Json& event) override { events.push_back(event); }
  std::vector<Json> events;
};

/// Calls a function with every event.
class OnEvent : public RunObserver {
 public:
  explicit OnEvent(std::function<void(const Json&)> react) : react_(std::move(react)) {}
  void on_event(const Json& event) override { react_(event); }

 private:
  const std::function<void(const Json&)> react_;
};

/// Calls a function once, when a fit is known to be under way.
class OnceItGrows : public RunObserver {
 public:
  explicit OnceItGrows(std::function<void(pid_t process)> react) : react_(std::move(react)) {}
  void on_event(const Json& event) override {
    if (done_ || event["event"] != "progress") return;
    done_ = true;
    react_(event["pid"].get<pid_t>());
  }
  bool done() const { return done_; }

 private:
  const std::function<void(pid_t process)> react_;
  bool done_ = false;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class Train : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_.file(name); }
  std::string data(std::size_t rows = 80) const { return folder_.write("t.csv", some_csv(rows)); }

  TrainConfig config(const std::string& data) const {
    TrainConfig config{.data = data, .target = "y", .models = kModels, .ensemble = false};
    config.set["random_forest"]["n_estimators"] = "5";
    return config;
  }
  TrainConfig config(const std::string& data, const std::string& model) const {
    return {.data = data, .target = "y", .models = {model}};
  }
  RunResult run(const TrainConfig& config, const std::string& name = "run") const {
    return train(config, {.out = path(name)});
  }
  /// A forest that nobody waits for.
  TrainConfig endless() const {
    TrainConfig config{.data = data(400), .target = "y", .models = {"random_forest"}};
    config.set["random_forest"]["n_estimators"] = "1000000";
    return config;
  }
  std::vector<std::string> names(const std::string& folder) const {
    std::vector<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder))
      names.push_back(entry.path().filename().string());
    return names;
  }
  const CandidateResult& row_of(const RunResult& result, const std::string& model) const {
    for (const CandidateResult& row : result.leaderboard) {
      if (row.model == model) return row;
    }
    throw std::runtime_error("no row of " + model);
  }
  std::vector<double> column(const data::Table& table, const std::string& name) const {
    const auto span = table.at(name).numbers.span();
    return {span.begin(), span.end()};
  }
  data::FeatureSelection selection(const data::Table& table) const {
    return data::select_features(table, {.target = "y"});
  }

  data::TemporaryFolder folder_;
};

TEST_F(Train, ScoresAreThoseOfAPlainLoopOverTheFolds) {
  const std::string file = data(103);
  TrainConfig asked = config(file);
  asked.seed = 7;
  asked.folds = 4;
  const RunResult result = run(asked);
  const data::Table table = data::read_table(file);
  const data::Table oof = data::read_table(path("run/oof.parquet"));
  ASSERT_EQ(result.leaderboard.size(), kModels.size() + 1);
  for (const std::string& model : kModels) {
    const auto set = asked.set.find(model);
    const models::ParameterMap parameters =
        set == asked.set.end() ? models::ParameterMap{} : set->second;
    const Reference expected =
        reference(table, selection(table), "y", model, parameters, data::k_fold(103, 4, 7), 7);
    const CandidateResult& row = row_of(result, model);
    EXPECT_EQ(row.status, CandidateStatus::kOk) << row.error.value_or("");
    EXPECT_EQ(row.fold_scores, expected.fold_scores) << model;
    EXPECT_EQ(column(oof, model), expected.predictions) << model;
    const double mean = std::accumulate(row.fold_scores.begin(), row.fold_scores.end(), 0.0) / 4.0;
    double squares = 0.0;
    for (const double score : row.fold_scores) squares += (score - mean) * (score - mean);
    EXPECT_DOUBLE_EQ(row.score, mean);
    EXPECT_DOUBLE_EQ(row.score_std, std::sqrt(squares / 4.0));
    EXPECT_EQ(row.params, models::make_estimator(model, parameters)->parameters());
    EXPECT_GT(row.peak_rss_bytes, 0u);
  }
}

TEST_F(Train, EveryMetricIsTheMeanOfItsFolds) {
  const std::string file = data();
  TrainConfig asked = config(file, "decision_tree");
  asked.metric = "mae";
  asked.folds = 3;
  const RunResult result = run(asked);
  const data::Table table = data::read_table(file);
  const CandidateResult& row = row_of(result, "decision_tree");
  ASSERT_EQ(row.metrics.size(), models::metrics().size());
  for (const models::MetricValue& metric : row.metrics) {
    const Reference expected = reference(table, selection(table), "y", "decision_tree", {},
                                         data::k_fold(80, 3, 0), 0, metric.name);
    EXPECT_DOUBLE_EQ(
        metric.value,
        std::accumulate(expected.fold_scores.begin(), expected.fold_scores.end(), 0.0) / 3.0)
        << metric.name;
    if (metric.name == "mae") {
      EXPECT_EQ(row.fold_scores, expected.fold_scores);
    }
  }
  EXPECT_EQ(row.score, row.metrics[2].value);
}

TEST_F(Train, TheSavedModelIsFittedOnAllRows) {
  const std::string file = data();
  TrainConfig asked = config(file);
  asked.seed = 3;
  const RunResult result = run(asked);
  const data::Table table = data::read_table(file);
  data::Split everything;
  everything.train = everything.test = all_rows(table);
  for (const CandidateResult& row : result.leaderboard) {
    const auto set = asked.set.find(row.model);
    const Reference expected =
        reference(table, selection(table), "y", row.model,
                  set == asked.set.end() ? models::ParameterMap{} : set->second, {everything}, 3);
    ASSERT_EQ(row.model_file, "models/" + row.model + ".mutirao");
    const models::Model model = models::Model::load(path("run/" + *row.model_file));
    EXPECT_EQ(model.predict(table), expected.predictions) << row.model;
    EXPECT_EQ(model.info().target, "y");
    EXPECT_EQ(model.info().seed, 3u);
    EXPECT_EQ(model.info().training_rows, 80u);
    EXPECT_EQ(model.info().id, std::nullopt);
  }
}

TEST_F(Train, TheBaselineIsARowOfEveryLeaderboardAndNeverTheBest) {
  const RunResult result = run(config(data()));
  std::size_t baselines = 0;
  for (const CandidateResult& row : result.leaderboard) {
    EXPECT_EQ(row.baseline, row.model == "baseline");
    baselines += row.baseline ? 1 : 0;
  }
  EXPECT_EQ(baselines, 1u);
  EXPECT_FALSE(best_of(result)->baseline);
  // Of a target that nothing predicts, the mean is the better guess.
  const std::string noise = folder_.write(
      "noise.csv", some_csv(60, 1, [](std::size_t row, std::vector<std::string>& cells) {
        cells.back() = fmt::format("{}", std::fmod(static_cast<double>(row) * 7.7, 3.1));
      }));
  const RunResult hopeless = run(config(noise, "decision_tree"), "noise");
  EXPECT_TRUE(hopeless.leaderboard.at(0).baseline);
  EXPECT_EQ(best_of(hopeless)->model, "decision_tree");
}

TEST_F(Train, AModelThatTellsWhatItRestsOnIsAsked) {
  const RunResult result = run(config(data(), "decision_tree"));
  const auto& importances = row_of(result, "decision_tree").details.importances;
  const models::Model model = models::Model::load(path("run/models/decision_tree.mutirao"));
  ASSERT_EQ(importances.size(), model.encoder().width());
  EXPECT_EQ(importances.front().first, "c") << "the square of the level outweighs all else";
  double sum = 0.0;
  for (std::size_t i = 0; i < importances.size(); ++i) {
    sum += importances[i].second;
    EXPECT_LE(importances[i].second, importances[i == 0 ? 0 : i - 1].second);
  }
  EXPECT_NEAR(sum, 1.0, 1e-12);
  EXPECT_TRUE(row_of(result, "baseline").details.importances.empty());
}

TEST_F(Train, TheBestStandsFirstInTheDirectionOfTheMetric) {
  for (const std::string metric : {"r2", "rmse"}) {
    TrainConfig asked = config(data());
    asked.metric = metric;
    const RunResult result = run(asked, metric);
    std::vector<double> scores;
    for (const CandidateResult& row : result.leaderboard) scores.push_back(row.score);
    if (metric == "r2") std::reverse(scores.begin(), scores.end());
    EXPECT_TRUE(std::is_sorted(scores.begin(), scores.end())) << metric;
    EXPECT_EQ(result.metric, metric);
  }
}

TEST_F(Train, TheNumberOfCoresChangesNoScoreAndNoByteOfAModel) {
  const std::string file = data(200);
  TrainConfig one = config(file);
  one.cores = 1;
  TrainConfig two = config(file);
  two.cores = 2;
  const RunResult alone = run(one, "one");
  const RunResult together = run(two, "two");
  EXPECT_EQ(alone.cores, 1u);
  EXPECT_EQ(together.cores, std::min<std::size_t>(2, exec::available_cores()));
  ASSERT_EQ(alone.leaderboard.size(), 4u);
  ASSERT_EQ(together.leaderboard.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(alone.leaderboard[i].model, together.leaderboard[i].model);
    EXPECT_EQ(alone.leaderboard[i].fold_scores, together.leaderboard[i].fold_scores);
    const std::string& model_file = alone.leaderboard[i].model_file.value();
    EXPECT_EQ(core::read_file(path("one/" + model_file)),
              core::read_file(path("two/" + model_file)));
  }
  const data::Table first = data::read_table(path("one/oof.parquet"));
  const data::Table second = data::read_table(path("two/oof.parquet"));
  ASSERT_EQ(first.names(), second.names());
  for (const std::string& name : first.names())
    EXPECT_EQ(column(first, name), column(second, name)) << name;
}

TEST_F(Train, TheSameRunTwiceGivesTheSame) {
  const std::string file = data();
  const RunResult first = run(config(file), "first");
  const RunResult second = run(read_config(path("first/config.json")), "second");
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(first.leaderboard[i].fold_scores, second.leaderboard[i].fold_scores);
    EXPECT_EQ(core::read_file(path("first/" + *first.leaderboard[i].model_file)),
              core::read_file(path("second/" + *second.leaderboard[i].model_file)));
  }
}

TEST_F(Train, TheSeedChoosesTheFolds) {
  TrainConfig asked = config(data(), "linear_regression");
  run(asked, "zero");
  asked.seed = 1;
  run(asked, "one");
  const data::Table zero = data::read_table(path("zero/oof.parquet"));
  const data::Table one = data::read_table(path("one/oof.parquet"));
  EXPECT_NE(column(zero, "fold"), column(one, "fold"));
  EXPECT_NE(column(zero, "linear_regression"), column(one, "linear_regression"));
}

TEST_F(Train, ACoreLimitEndsWithTheRunThatAskedForIt) {
  const std::size_t before = exec::CoreBudget::current().cores();
  TrainConfig asked = config(data(), "linear_regression");
  asked.cores = 1;
  EXPECT_EQ(run(asked, "limited").cores, 1u);
  EXPECT_EQ(exec::CoreBudget::current().cores(), before);
  asked.cores.reset();
  EXPECT_EQ(run(asked, "free").cores, before);
  asked.cores = 1;
  asked.target = "nowhere";
  EXPECT_THROW(run(asked, "refused"), core::InvalidInput);
  EXPECT_EQ(exec::CoreBudget::current().cores(), before);
}

TEST_F(Train, MoreCoresThanThereAreIsAWarning) {
  TrainConfig asked = config(data(), "linear_regression");
  asked.cores = 1000;
  const RunResult result = run(asked);
  EXPECT_EQ(result.cores, exec::available_cores());
  EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("1000 cores were asked for")));
}

TEST_F(Train, TheRunFolderHoldsWhatIsDocumented) {
  const RunResult result = run(config(data()));
  EXPECT_THAT(names(path("run")),
              UnorderedElementsAre("config.json", "events.jsonl", "models", "oof.parquet"));
  EXPECT_THAT(names(path("run/models")),
              UnorderedElementsAre("linear_regression.mutirao", "decision_tree.mutirao",
                                   "random_forest.mutirao", "baseline.mutirao"));
  EXPECT_EQ(read_config(path("run/config.json")), config(path("t.csv")));
  EXPECT_EQ(to_json(read_run(path("run"))).dump(), to_json(result).dump());
  EXPECT_EQ(result.run, path("run"));
  EXPECT_EQ(result.stopped, std::nullopt);
  EXPECT_EQ(result.rows, 80u);
  EXPECT_EQ(result.rows_dropped, 0u);
}

TEST_F(Train, RowsWithoutATargetAreDroppedAndTheOthersKeepTheirNumbers) {
  const std::string file =
      folder_.write("t.csv", some_csv(60, 1, [](std::size_t row, std::vector<std::string>& cells) {
                      if (row % 7 == 3) cells.back() = "";
                    }));
  TrainConfig asked = config(file);
  asked.folds = 3;
  const RunResult result = run(asked);
  EXPECT_EQ(result.rows_dropped, 9u);
  EXPECT_EQ(result.rows, 51u);
  const data::Table whole = data::read_table(file);
  std::vector<std::uint32_t> kept;
  for (std::uint32_t row = 0; row < 60; ++row) {
    if (row % 7 != 3) kept.push_back(row);
  }
  const data::Table table = whole.take(kept);
  const data::Table oof = data::read_table(path("run/oof.parquet"));
  EXPECT_THAT(oof.names(), ElementsAre("row", "fold", "target", "baseline", "decision_tree",
                                       "linear_regression", "random_forest"));
  ASSERT_EQ(oof.rows(), 51u);
  const std::vector<std::uint32_t> folds = data::k_fold_numbers(51, 3, 0);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    EXPECT_EQ(oof.at("row").numbers[i], kept[i] + 1.0);
    EXPECT_EQ(oof.at("fold").numbers[i], folds[i] + 1.0);
    EXPECT_EQ(oof.at("target").numbers[i], whole.at("y").numbers[kept[i]]);
  }
  EXPECT_TRUE(oof.at("row").integral);
  EXPECT_TRUE(oof.at("fold").integral);
  for (const std::string model : {"linear_regression", "decision_tree"}) {
    const Reference expected =
        reference(table, selection(table), "y", model, {}, data::k_fold(51, 3, 0), 0);
    EXPECT_EQ(row_of(result, model).fold_scores, expected.fold_scores) << model;
    EXPECT_EQ(column(oof, model), expected.predictions) << model;
  }
}

TEST_F(Train, ATestSizeIsOneSplitOfWhichOnlyTheTestedRowsArePredicted) {
  const std::string file = data(50);
  TrainConfig asked = config(file, "decision_tree");
  asked.test_size = 0.3;
  asked.seed = 5;
  const RunResult result = run(asked);
  const data::Table table = data::read_table(file);
  const data::Split split = data::hold_out(50, 0.3, 5);
  const Reference expected =
      reference(table, selection(table), "y", "decision_tree", {}, {split}, 5);
  const CandidateResult& row = row_of(result, "decision_tree");
  EXPECT_EQ(row.fold_scores, expected.fold_scores);
  EXPECT_EQ(row.score, expected.fold_scores[0]);
  EXPECT_TRUE(std::isnan(row.score_std));
  const data::Table oof = data::read_table(path("run/oof.parquet"));
  ASSERT_EQ(oof.rows(), split.test.size());
  for (std::size_t i = 0; i < split.test.size(); ++i) {
    EXPECT_EQ(oof.at("row").numbers[i], split.test[i] + 1.0);
    EXPECT_EQ(oof.at("fold").numbers[i], 1.0);
    EXPECT_EQ(oof.at("decision_tree").numbers[i], expected.predictions[split.test[i]]);
  }
  EXPECT_EQ(models::Model::load(path("run/models/decision_tree.mutirao")).info().training_rows,
            50u);
}

TEST_F(Train, ACategoryThatOnlyTestedRowsHaveIsUnseen) {
  // 's' stands only in rows that fold 2 tests.
  constexpr std::size_t kRows = 90;
  const std::vector<std::uint32_t> folds = data::k_fold_numbers(kRows, 3, 0);
  const std::string file = folder_.write(
      "t.csv", some_csv(kRows, 1, [&](std::size_t row, std::vector<std::string>& cells) {
        if (cells[1] == "s" && folds[row] != 2) cells[1] = "r";
      }));
  TrainConfig asked = config(file);
  asked.folds = 3;
  const RunResult result = run(asked);
  const data::Table table = data::read_table(file);
  ASSERT_THAT(table.at("c").levels, ElementsAre("p", "q", "r", "s"));
  const std::vector<data::Split> splits = data::k_fold(kRows, 3, 0);
  for (const std::string& model : kModels) {
    const auto set = asked.set.find(model);
    const models::ParameterMap parameters =
        set == asked.set.end() ? models::ParameterMap{} : set->second;
    const Reference expected =
        reference(table, selection(table), "y", model, parameters, splits, 0);
    EXPECT_EQ(row_of(result, model).fold_scores, expected.fold_scores) << model;
    if (model == "linear_regression") continue;
    // Nor would a code for it tell the trees anything: none of their rows has it.
    const Reference coded = reference(table, selection(table), "y", model, parameters, splits, 0,
                                      "r2", [&](const data::Split&) { return all_rows(table); });
    EXPECT_EQ(coded.fold_scores, expected.fold_scores) << model;
  }
}

TEST_F(Train, AnIdNamesTheRowsAndIsNoFeature) {
  const std::string file =
      folder_.write("t.csv", some_csv(40, 1, [](std::size_t row, std::vector<std::string>& cells) {
                      cells[1] = "row-" + std::to_string(row);
                    }));
  TrainConfig asked = config(file, "decision_tree");
  asked.id = "c";
  const RunResult result = run(asked);
  const data::Table oof = data::read_table(path("run/oof.parquet"));
  EXPECT_THAT(oof.names(), ElementsAre("row", "fold", "id", "target", "baseline", "decision_tree"));
  for (std::size_t row = 0; row < 40; ++row)
    EXPECT_EQ(oof.at("id").levels[oof.at("id").codes[row]], "row-" + std::to_string(row));
  const models::Model model = models::Model::load(path("run/models/decision_tree.mutirao"));
  EXPECT_EQ(model.info().id, "c");
  EXPECT_THAT(model.input_columns(), ElementsAre("x", "d", "b", "z"));
}

TEST_F(Train, SaysOfEveryColumnWhetherAndWhyNotItIsUsed) {
  const std::string file =
      folder_.write("t.csv", some_csv(60, 1, [](std::size_t row, std::vector<std::string>& cells) {
                      cells[1] = "text-" + std::to_string(row);
                      cells[2] = "2024-03-01";
                    }));
  TrainConfig asked = config(file, "decision_tree");
  asked.drop = {"b"};
  Listener listener;
  const RunResult result = train(asked, {.out = path("run"), .observer = &listener});
  const auto use_of = [](const data::ColumnUse& use) {
    return use.name + ":" + std::string(data::name_of(use.type)) + ":" +
           (use.used ? "used" : use.why);
  };
  std::vector<std::string> uses;
  for (const data::ColumnUse& use : result.columns) uses.push_back(use_of(use));
  EXPECT_THAT(
      uses,
      ElementsAre("x:number:used", "c:text:text that is distinct in over 95% of the rows",
                  "d:timestamp:constant", "b:boolean:dropped", "z:number:used", "y:number:target"));
  std::vector<std::string> notes;
  for (const Json& event : listener.events) {
    if (event["event"] == "note") notes.push_back(event["text"]);
  }
  EXPECT_THAT(notes, ElementsAre("target 'y' holds fractions: this is regression (--task says "
                                 "otherwise)",
                                 "column 'c' is left out: text that is distinct in over 95% of "
                                 "the rows (--categorical keeps it)",
                                 "column 'd' is left out: constant (--categorical keeps it)"));
}

TEST_F(Train, AColumnThatAloneGivesTheTargetIsAWarning) {
  const std::string file =
      folder_.write("t.csv", some_csv(60, 1, [](std::size_t, std::vector<std::string>& cells) {
                      cells[4] = fmt::format("{}", 2.0 * std::stod(cells[5]) + 1.0);
                    }));
  const RunResult result = run(config(file));
  EXPECT_THAT(result.warnings, ElementsAre("column 'z' alone predicts the target almost perfectly: "
                                           "does it leak it? (--drop leaves it out)"));
  TrainConfig dropped = config(file);
  dropped.drop = {"z"};
  EXPECT_THAT(run(dropped, "dropped").warnings, IsEmpty());
}

TEST_F(Train, TheObserverHearsEveryLineOfTheEvents) {
  Listener listener;
  train(config(data()), {.out = path("run"), .observer = &listener});
  std::vector<std::string> heard;
  for (const Json& event : listener.events) heard.push_back(one_line(event));
  EXPECT_EQ(heard, lines_of(core::read_file(path("run/events.jsonl"))));
}

TEST_F(Train, TheEventsTellTheRunInItsOrder) {
  Listener listener;
  TrainConfig asked = config(data());
  asked.folds = 3;
  train(asked, {.out = path("run"), .observer = &listener});
  ASSERT_GE(listener.events.size(), 4u);
  EXPECT_EQ(listener.events.front()["event"], "run_started");
  EXPECT_EQ(listener.events.front()["config"].dump(), to_json(asked).dump());
  EXPECT_EQ(listener.events[1]["event"], "data_read");
  EXPECT_EQ(listener.events[1]["rows"], 80);
  EXPECT_EQ(listener.events.back()["event"], "run_ended");
  EXPECT_TRUE(listener.events.back()["stopped"].is_null());
  std::map<std::string, std::vector<std::string>> steps;
  for (const Json& event : listener.events) {
    const std::string name = event["event"];
    const std::string model =
        name == "candidate_ended" ? event["candidate"]["model"] : event.value("model", Json(""));
    const std::string fold = event.value("fold", Json()).dump();
    if (model.empty() || name == "progress" || name == "cores_held") continue;
    if (name == "fold_done") {
      EXPECT_EQ(event["folds"], 3);
      EXPECT_EQ(event["score"], event["metrics"]["r2"]);
    }
    steps[model].push_back(name + (fold == "null" ? "" : " " + fold));
  }
  ASSERT_EQ(steps.size(), 4u);
  for (const auto& [model, told] : steps) {
    // Folds of one candidate may run, and end, at the same time.
    EXPECT_EQ(told[0], "candidate_queued") << model;
    EXPECT_EQ(told[1], "candidate_started") << model;
    EXPECT_EQ(told.back(), "candidate_ended") << model;
    EXPECT_THAT(
        std::vector<std::string>(told.begin() + 2, told.end() - 1),
        UnorderedElementsAre("fit_started 1", "fit_started 2", "fit_started 3", "fit_started",
                             "fold_done 1", "fold_done 2", "fold_done 3", "model_saved"))
        << model;
    const auto place = [&told = told](const std::string& step) {
      return std::find(told.begin(), told.end(), step) - told.begin();
    };
    for (const char* fold : {"1", "2", "3"})
      EXPECT_LT(place(std::string("fit_started ") + fold), place(std::string("fold_done ") + fold))
          << model;
    EXPECT_LT(place("fit_started"), place("model_saved")) << model;
  }
}

TEST_F(Train, ACandidateThatCannotBeFittedIsARowAndTheOthersStand) {
  TrainConfig asked = config(data());
  asked.set["random_forest"]["max_samples"] = "5000";
  const RunResult result = run(asked);
  ASSERT_EQ(result.leaderboard.size(), 4u);
  const CandidateResult& failed = result.leaderboard[3];
  EXPECT_EQ(failed.model, "random_forest");
  EXPECT_EQ(failed.status, CandidateStatus::kFailed);
  EXPECT_THAT(failed.error.value_or(""), HasSubstr("random_forest.max_samples is 5000"));
  EXPECT_EQ(failed.model_file, std::nullopt);
  EXPECT_TRUE(std::isnan(failed.score));
  EXPECT_EQ(result.leaderboard[0].status, CandidateStatus::kOk);
  EXPECT_EQ(result.leaderboard[1].status, CandidateStatus::kOk);
  EXPECT_EQ(result.stopped, std::nullopt);
  EXPECT_THAT(
      data::read_table(path("run/oof.parquet")).names(),
      ElementsAre("row", "fold", "target", "baseline", "decision_tree", "linear_regression"));
  EXPECT_THAT(names(path("run/models")),
              UnorderedElementsAre("linear_regression.mutirao", "decision_tree.mutirao",
                                   "baseline.mutirao"));
}

TEST_F(Train, ACandidateWhoseProcessDiesIsARowThatSaysSo) {
  OnceItGrows killer([](pid_t process) {
    ASSERT_GT(process, 1);
    ::kill(process, SIGKILL);
  });
  const RunResult result = train(endless(), {.out = path("run"), .observer = &killer});
  ASSERT_TRUE(killer.done());
  ASSERT_EQ(result.leaderboard.size(), 2u);
  const CandidateResult& killed = result.leaderboard[1];
  EXPECT_EQ(killed.status, CandidateStatus::kCrashed);
  EXPECT_NE(killed.error.value_or(""), "");
  EXPECT_EQ(killed.model_file, std::nullopt);
  EXPECT_EQ(result.stopped, std::nullopt);
  EXPECT_THAT(names(path("run/models")), ElementsAre("baseline.mutirao"));
  EXPECT_EQ(best_of(result), nullptr) << "the baseline is no candidate";
}

TEST_F(Train, AStopGivesUpWhatIsUnderWay) {
  std::stop_source stop;
  OnceItGrows stopper([&](pid_t) { stop.request_stop(); });
  const RunResult result =
      train(endless(), {.out = path("run"), .observer = &stopper, .stop = stop.get_token()});
  EXPECT_EQ(result.stopped, "interrupted");
  for (const CandidateResult& row : result.leaderboard) EXPECT_TRUE(row.baseline) << row.model;
  EXPECT_EQ(names(path("run/models")).size(), result.leaderboard.size());
  EXPECT_EQ(read_run(path("run")).stopped, "interrupted");
  EXPECT_EQ(Json::parse(lines_of(core::read_file(path("run/events.jsonl"))).back())["event"],
            "run_ended");
}

TEST_F(Train, AStopKeepsWhatWasDone) {
  std::stop_source stop;
  OnEvent stopper([&](const Json& event) {
    if (event["event"] == "candidate_ended") stop.request_stop();
  });
  const RunResult result =
      train(config(data()), {.out = path("run"), .observer = &stopper, .stop = stop.get_token()});
  EXPECT_EQ(result.stopped, "interrupted");
  ASSERT_GE(result.leaderboard.size(), 1u);
  for (const CandidateResult& row : result.leaderboard) {
    EXPECT_EQ(row.status, CandidateStatus::kOk);
    EXPECT_EQ(row.fold_scores.size(), kDefaultFolds);
    EXPECT_EQ(models::Model::load(path("run/" + row.model_file.value())).name(), row.model);
  }
}

TEST_F(Train, AStopBeforeTheDataIsReadLeavesNothing) {
  std::stop_source stop;
  stop.request_stop();
  // The data comes through a pipe that nobody writes to.
  ASSERT_EQ(::mkfifo(path("pipe.csv").c_str(), 0600), 0);
  try {
    train({.data = path("pipe.csv"), .target = "y"},
          {.out = path("run"), .stop = stop.get_token()});
    FAIL();
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kCancelled);
  }
  EXPECT_FALSE(fs::exists(path("run")));
}

/// A disk with room for one page, while it lives.
class SmallDisk {
 public:
  explicit SmallDisk(std::string path, unsigned long flags = 0) : path_(std::move(path)) {
    fs::create_directory(path_);
    mounted_ = ::mount("tmpfs", path_.c_str(), "tmpfs", flags, "size=4k") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const noexcept { return mounted_; }

 private:
  const std::string path_;
  bool mounted_ = false;
};

TEST_F(Train, AFullDiskEndsTheRunAndKeepsWhatWasDone) {
  const SmallDisk disk(path("disk"));
  if (!disk.mounted()) GTEST_SKIP() << "only root can mount a small disk";
  // Where models go, there is one without room.
  OnEvent filler([&](const Json& event) {
    if (event["event"] == "run_started")
      fs::create_directory_symlink(path("disk"), path("run/models"));
  });
  TrainConfig asked = config(data(600), "decision_tree");
  try {
    train(asked, {.out = path("run"), .observer = &filler});
    ADD_FAILURE();
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kOutOfSpace);
    EXPECT_THAT(error.what(),
                HasSubstr("cannot write " + path("run/models/decision_tree.mutirao")));
  }
  EXPECT_FALSE(fs::exists(path("run/models/decision_tree.mutirao")));
  const RunResult left = read_run(path("run"));
  EXPECT_EQ(left.stopped, "interrupted");
  EXPECT_EQ(best_of(left), nullptr);
  // With room again, it goes on from what was done.
  fs::remove(path("run/models"));
  EXPECT_EQ(resume(path("run")).stopped, std::nullopt);
}

TEST_F(Train, ADiskThatCannotBeWrittenIsSaidBeforeAnythingIsRead) {
  const SmallDisk disk(path("disk"), MS_RDONLY);
  if (!disk.mounted()) GTEST_SKIP() << "only root can mount a disk that cannot be written";
  std::size_t events = 0;
  OnEvent counter([&](const Json&) { ++events; });
  try {
    train({.data = path("none.csv"), .target = "y"},
          {.out = path("disk/run"), .observer = &counter});
    ADD_FAILURE();
  } catch (const core::IoError& error) {
    EXPECT_EQ(core::describe(error),
              "cannot make the run folder " + path("disk/run") +
                  ": Read-only file system\nhint: name a folder that can be written with --out");
  }
  EXPECT_EQ(events, 0u);
}

TEST_F(Train, ARunOnADiskThatCannotBeWrittenIsShownAndNotGoneOnWith) {
  std::stop_source stop;
  OnEvent ender([&](const Json& event) {
    if (event["event"] == "candidate_ended") stop.request_stop();
  });
  train(config(data()), {.out = path("run"), .observer = &ender, .stop = stop.get_token()});
  const std::string events = core::read_file(path("run/events.jsonl"));
  const std::string place = path("run");
  if (::mount(place.c_str(), place.c_str(), nullptr, MS_BIND, nullptr) != 0)
    GTEST_SKIP() << "only root can make a folder that cannot be written";
  const bool closed =
      ::mount(nullptr, place.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0;
  std::string said;
  try {
    resume(place);
  } catch (const core::IoError& error) {
    said = core::describe(error);
  }
  const std::optional<std::string> stopped = read_run(place).stopped;
  ::umount2(place.c_str(), MNT_DETACH);
  ASSERT_TRUE(closed);
  EXPECT_EQ(said, "cannot go on with the run " + place +
                      ": Read-only file system\nhint: make the folder one that can be written, or "
                      "go on with a copy of it");
  EXPECT_EQ(stopped, "interrupted");
  EXPECT_EQ(core::read_file(path("run/events.jsonl")), events);
  EXPECT_EQ(resume(place).stopped, std::nullopt) << "nothing was lost";
}

TEST_F(Train, AModelMayBeGivenMoreThanOnceUnderNamesOfItsOwn) {
  TrainConfig asked = config(data());
  asked.set.clear();
  asked.models = {"small=random_forest", "linear_regression", "big=random_forest"};
  parse_setting("small.n_estimators=2", asked);
  parse_setting("big.n_estimators=4,max_depth=3", asked);
  const RunResult result = run(asked);
  ASSERT_EQ(result.leaderboard.size(), 4u);
  const CandidateResult& small = row_of(result, "small");
  EXPECT_EQ(small.estimator, "random_forest");
  EXPECT_EQ(small.params.at("n_estimators"), "2");
  EXPECT_EQ(row_of(result, "big").params.at("max_depth"), "3");
  EXPECT_EQ(row_of(result, "linear_regression").estimator, "linear_regression");
  EXPECT_EQ(small.model_file, "models/small.mutirao");
  EXPECT_EQ(models::Model::load(path("run/models/big.mutirao")).name(), "random_forest");
  EXPECT_THAT(
      data::read_table(path("run/oof.parquet")).names(),
      ElementsAre("row", "fold", "target", "baseline", "big", "linear_regression", "small"));
  EXPECT_EQ(read_config(path("run/config.json")), asked);
  EXPECT_EQ(to_json(read_run(path("run"))).dump(), to_json(result).dump());
}

class TrainRefuses : public Train {
 protected:
  /// What a run is refused with; it leaves nothing behind, neither in a folder that it would have
  /// to make nor in one that is there.
  std::string complaint(const TrainConfig& config) const {
    std::string said;
    try {
      run(config, "deep/down/run");
      ADD_FAILURE() << "nothing was wrong";
    } catch (const core::InvalidInput& error) {
      said = core::describe(error);
    } catch (const core::InvalidArgument& error) {
      said = core::describe(error);
    }
    EXPECT_FALSE(fs::exists(path("deep"))) << said;
    fs::create_directory(path("empty"));
    EXPECT_THROW(run(config, "empty"), core::Error);
    EXPECT_THAT(names(path("empty")), IsEmpty()) << said;
    return said;
  }
  std::string complaint(const std::string& csv) const {
    return complaint(config(folder_.write("t.csv", csv)));
  }
};

TEST_F(TrainRefuses, AnArgumentThatCannotBeUsed) {
  TrainConfig asked = config(data());
  asked.folds = 1;
  EXPECT_THAT(complaint(asked), StartsWith("--folds must be at least 2, not 1\nhint: "));
}

TEST_F(TrainRefuses, DataThatIsNotThere) {
  EXPECT_THAT(complaint(config(path("none.csv"))),
              StartsWith("there is no file " + path("none.csv") + "\nhint: "));
}

TEST_F(TrainRefuses, ATargetThatIsNotThere) {
  TrainConfig asked = config(data());
  asked.target = "Y";
  EXPECT_EQ(complaint(asked), "there is no target 'Y' in the data\nhint: did you mean 'y'?");
}

TEST_F(TrainRefuses, OtherColumnsThatAreNotThere) {
  TrainConfig asked = config(data());
  asked.drop = {"q1"};
  EXPECT_THAT(complaint(asked), StartsWith("there is no column to drop 'q1' in the data"));
}

TEST_F(TrainRefuses, AnIdThatIsNotThere) {
  TrainConfig asked = config(data());
  asked.id = "q1";
  EXPECT_THAT(complaint(asked), StartsWith("there is no id column 'q1' in the data"));
}

TEST_F(TrainRefuses, ATextAmongTheNumbersOfTheTarget) {
  const std::string csv = some_csv(40, 1, [](std::size_t row, std::vector<std::string>& cells) {
    if (row == 20) cells[5] = "much";
  });
  TrainConfig asked = config(folder_.write("t.csv", csv));
  asked.task = data::Task::kRegression;
  EXPECT_EQ(complaint(asked),
            "the target 'y' is to be a number, but line 22 holds 'much'\nhint: mend that cell, or "
            "leave it empty: rows without a target are dropped");
}

TEST_F(TrainRefuses, ATextAmongNumbersThatAreWrittenInOtherWays) {
  TrainConfig asked =
      config(folder_.write("t.csv", "x,y\n1,+5\n2, 6\n3,7 \n4,1e-400\n5,much\n6,8\n"));
  asked.task = data::Task::kRegression;
  EXPECT_THAT(complaint(asked), StartsWith("the target 'y' is to be a number, but line 6 holds "
                                           "'much'"));
}

TEST_F(TrainRefuses, ATargetThatIsMissingEverywhere) {
  EXPECT_EQ(complaint("x,y\n1,\n2,\n"),
            "the target 'y' is missing in every row\nhint: name another column with --target");
}

TEST_F(TrainRefuses, ATargetThatIsConstant) {
  EXPECT_THAT(complaint("x,y\n1,2.5\n2,2.5\n3,2.5\n4,2.5\n5,2.5\n"),
              StartsWith("the target 'y' is 2.5 in every row: there is nothing to learn\nhint: "));
}

TEST_F(TrainRefuses, ASingleRowWithATarget) {
  EXPECT_THAT(complaint("x,y\n1,2.5\n2,\n"), StartsWith("one row is too few to learn from"));
}

TEST_F(TrainRefuses, MoreFoldsThanRowsWithATarget) {
  EXPECT_EQ(complaint("x,y\n1,2.5\n2,3.5\n3,1.5\n4,0.5\n5,\n"),
            "5 folds need 5 rows that have a target, and there are 4\nhint: give fewer --folds, "
            "or more rows");
}

TEST_F(TrainRefuses, ATestSizeThatLeavesNothingToLearnFrom) {
  TrainConfig asked = config(folder_.write("t.csv", "x,y\n1,2.5\n2,3.5\n3,1.5\n"));
  asked.test_size = 0.9;
  EXPECT_THAT(complaint(asked), StartsWith("a test size of 0.9 leaves no training rows out of 3"));
}

TEST_F(TrainRefuses, DataWithoutAFeature) {
  EXPECT_THAT(complaint("x,y\n1,2.5\n1,3.5\n1,1.5\n1,0.5\n1,9.5\n"),
              StartsWith("no column is left to learn from: 'x' (constant)\nhint: "));
}

TEST_F(TrainRefuses, AFolderThatIsNotEmptyAndTouchesNothingInIt) {
  fs::create_directory(path("full"));
  folder_.write("full/mine", "kept");
  EXPECT_THROW(run(config(data()), "full"), core::InvalidArgument);
  EXPECT_THAT(names(path("full")), ElementsAre("mine"));
}

}  // namespace
}  // namespace mutirao::train
