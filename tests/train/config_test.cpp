#include "mutirao/train/config.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../data/temporary_folder.hpp"
#include "complaint.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/models/registry.hpp"
#include "mutirao/train/candidates.hpp"

namespace mutirao::train {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TrainConfig least() { return {.data = "diamonds.csv", .target = "price"}; }

TrainConfig with_everything() {
  return {.data = "SELECT * FROM 'a \"b\".csv'",
          .target = "pre\xc3\xa7o",
          .task = data::Task::kRegression,
          .models = {"random_forest", "linear_regression"},
          .folds = 7,
          .metric = "mae",
          .seed = std::numeric_limits<std::uint64_t>::max(),
          .cores = 3,
          .set = {{"linear_regression", {{"fit_intercept", "false"}}},
                  {"random_forest",
                   {{"n_estimators", "50"}, {"max_features", "sqrt"}, {"max_depth", "none"}}}},
          .drop = {"x", "y"},
          .id = "id",
          .categorical = {"clarity"},
          .weight = "w",
          .group = "shop",
          .positive = std::nullopt};
}

std::string refusal(const std::function<void(TrainConfig&)>& change) {
  TrainConfig config = least();
  change(config);
  return complaint<core::InvalidArgument>([&] { check(config); });
}

TrainConfig parsed(const std::string& text) {
  return config_from_json(Json::parse(text), "here.json");
}

std::string json_refusal(const std::string& text) {
  return complaint<core::InvalidInput>([&] { parsed(text); });
}

TEST(Config, AConfigurationThatWasWrittenIsReadBack) {
  for (const TrainConfig& config : {least(), with_everything()})
    EXPECT_EQ(parsed(to_json(config).dump()), config);
  TrainConfig split = least();
  split.test_size = 0.1 + 0.2;
  split.set["decision_tree"] = {};
  split.seed = 0;
  split.time = "sold";
  split.positive = "yes";
  EXPECT_EQ(parsed(to_json(split).dump()), split);
}

TEST(Config, WritesItsKeysInTheOrderOfTheCommandLine) {
  std::vector<std::string> keys;
  const Json json = to_json(with_everything());
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  EXPECT_THAT(keys, ElementsAre("data", "target", "task", "models", "folds", "metric", "seed",
                                "cores", "set", "drop", "id", "categorical", "weight", "group"));
  EXPECT_EQ(json["task"], "regression");
}

TEST(Config, WritesOnlyWhatIsThere) {
  EXPECT_EQ(to_json(least()).dump(), R"({"data":"diamonds.csv","target":"price","seed":0})");
  TrainConfig split = least();
  split.test_size = 0.25;
  EXPECT_EQ(to_json(split).dump(),
            R"({"data":"diamonds.csv","target":"price","test-size":0.25,"seed":0})");
}

TEST(Config, AKeyThatIsNotThereLeavesItsDefault) {
  EXPECT_EQ(parsed("{}"), TrainConfig());
  EXPECT_EQ(parsed(R"({"data": "diamonds.csv", "target": "price"})"), least());
}

TEST(Config, TakesParametersAsNumbersTextsBooleansAndNull) {
  const TrainConfig config = parsed(
      R"({"set": {"random_forest": {"n_estimators": 50, "max_samples": 0.5, "bootstrap": true,
                                    "max_depth": null, "max_features": "sqrt"}}})");
  EXPECT_EQ(config.set.at("random_forest"), (models::ParameterMap{{"n_estimators", "50"},
                                                                  {"max_samples", "0.5"},
                                                                  {"bootstrap", "true"},
                                                                  {"max_depth", "none"},
                                                                  {"max_features", "sqrt"}}));
}

TEST(Config, RefusesAKeyThatDoesNotExist) {
  EXPECT_EQ(json_refusal(R"({"sede": 3})"),
            "here.json: there is no key 'sede'\nhint: did you mean 'seed'?");
  EXPECT_EQ(
      json_refusal(R"({"colour": 3})"),
      "here.json: there is no key 'colour'\nhint: known: data, target, task, models, folds, "
      "test-size, metric, seed, cores, time-limit, memory-limit, set, search, ensemble, drop, id, "
      "categorical, weight, group, time, positive");
}

TEST(Config, RefusesAValueOfAnotherKind) {
  const std::string hint = "\nhint: compare it with the config.json of any run folder";
  EXPECT_EQ(json_refusal(R"({"data": 3})"), "here.json: 'data' is 3, not a text" + hint);
  EXPECT_EQ(json_refusal(R"({"target": null})"), "here.json: 'target' is null, not a text" + hint);
  EXPECT_EQ(json_refusal(R"({"task": ["regression"]})"),
            "here.json: 'task' is [\"regression\"], not a text" + hint);
  EXPECT_EQ(json_refusal(R"({"metric": true})"), "here.json: 'metric' is true, not a text" + hint);
  EXPECT_EQ(json_refusal(R"({"id": 1.5})"), "here.json: 'id' is 1.5, not a text" + hint);
  for (const std::string key : {"models", "drop", "categorical"}) {
    EXPECT_EQ(json_refusal("{\"" + key + "\": \"a\"}"),
              "here.json: '" + key + "' is \"a\", not a list of texts" + hint);
    EXPECT_EQ(json_refusal("{\"" + key + "\": [\"a\", 1]}"),
              "here.json: '" + key + "' is [\"a\",1], not a list of texts" + hint);
  }
  for (const std::string key : {"folds", "seed", "cores"}) {
    for (const std::string value : {"-1", "2.5", "\"2\"", "null", "true", "18446744073709551616"}) {
      EXPECT_THAT(json_refusal("{\"" + key + "\": " + value + "}"),
                  testing::AllOf(StartsWith("here.json: '" + key + "' is "),
                                 HasSubstr(", not a whole number of at least 0" + hint)));
    }
  }
  EXPECT_EQ(json_refusal(R"({"test-size": "0.2"})"),
            "here.json: 'test-size' is \"0.2\", not a number" + hint);
  for (const std::string value :
       {R"("random_forest.n_estimators=500")", R"({"random_forest": 500})",
        R"({"random_forest": {"n_estimators": [500]}})", "[]"}) {
    EXPECT_THAT(json_refusal("{\"set\": " + value + "}"),
                HasSubstr(R"(, not written as {"random_forest": {"n_estimators": 500}})" + hint));
  }
}

TEST(Config, RefusesWhatIsNoObject) {
  for (const std::string text : {"[]", "3", "null", "\"data\""}) {
    EXPECT_EQ(json_refusal(text),
              "here.json is not a JSON object\nhint: compare it with the config.json of any run "
              "folder");
  }
}

TEST(Config, RefusesATaskThatDoesNotExist) {
  EXPECT_EQ(complaint<core::InvalidArgument>([] { task_of("regresion"); }),
            "there is no task 'regresion'\nhint: did you mean 'regression'?");
  EXPECT_EQ(complaint<core::InvalidArgument>([] { parsed(R"({"task": "clustering"})"); }),
            "there is no task 'clustering'\nhint: known: regression, classification");
  EXPECT_EQ(task_of("regression"), data::Task::kRegression);
  EXPECT_EQ(task_of("classification"), data::Task::kClassification);
}

TEST(Config, ReadsAFile) {
  const data::TemporaryFolder folder;
  EXPECT_EQ(read_config(folder.write("c.json", to_json(with_everything()).dump(2))),
            with_everything());
}

TEST(Config, NamesTheLineOfBadJson) {
  const data::TemporaryFolder folder;
  const std::string path = folder.file("c.json");
  const auto line_of = [&](const std::string& text) {
    folder.write("c.json", text);
    const std::string said = complaint<core::InvalidInput>([&] { read_config(path); });
    EXPECT_THAT(said, StartsWith(path + ", line "));
    EXPECT_THAT(said, HasSubstr(": this is not JSON\nhint: compare it with the config.json"));
    return said.substr(path.size() + 7, said.find(':', path.size()) - path.size() - 7);
  };
  EXPECT_EQ(line_of(""), "1");
  EXPECT_EQ(line_of("data: x.csv\n"), "1");
  EXPECT_EQ(line_of("{\n  \"data\": \"a.csv\",\n  \"target\": y\n}\n"), "3");
  EXPECT_EQ(line_of("{\n  \"data\": \"a.csv\"\n  \"target\": \"y\"\n}\n"), "3");
  EXPECT_EQ(line_of("{\n  \"seed\": 1,\n}\n"), "3");
  EXPECT_EQ(line_of("{\n  \"data\": \"never closed\n}\n"), "2");
  EXPECT_EQ(line_of("{\n  \"seed\": 1"), "2");
  EXPECT_EQ(line_of("{}\n{}\n"), "2");
}

TEST(Config, AFileThatIsMissingOrAFolderIsSaid) {
  const data::TemporaryFolder folder;
  EXPECT_THAT(complaint<core::IoError>([&] { read_config(folder.file("none.json")); }),
              HasSubstr("cannot read " + folder.file("none.json")));
  EXPECT_THAT(complaint<core::IoError>([&] { read_config(folder.path()); }),
              HasSubstr("cannot read " + folder.path()));
}

TEST(Config, AcceptsWhatCanBeRun) {
  check(least());
  check(with_everything());
  TrainConfig split = least();
  split.test_size = 0.5;
  check(split);
}

TEST(Config, RefusesARunWithoutDataOrTarget) {
  EXPECT_EQ(refusal([](TrainConfig& c) { c.data.clear(); }),
            "no data is given\nhint: name a file, a glob or a query");
  EXPECT_EQ(refusal([](TrainConfig& c) { c.target.clear(); }),
            "no target is given\nhint: name the column to predict: --target COLUMN");
}

TEST(Config, RefusesModelsThatDoNotExistOrAreNamedTwice) {
  EXPECT_EQ(refusal([](TrainConfig& c) {
              c.models = {"decision_tree", "random_forrest"};
            }),
            "there is no model 'random_forrest'\nhint: did you mean 'random_forest'?");
  EXPECT_EQ(
      refusal([](TrainConfig& c) {
        c.models = {"decision_tree", "decision_tree"};
      }),
      "the model 'decision_tree' is named twice\nhint: name each model once, or give it names: "
      "small=random_forest,big=random_forest");
}

TEST(Config, RefusesParametersThatDoNotFit) {
  EXPECT_THAT(refusal([](TrainConfig& c) { c.set["random_forrest"] = {}; }),
              StartsWith("there is no model 'random_forrest'"));
  EXPECT_EQ(refusal([](TrainConfig& c) { c.set["random_forest"]["n_estimator"] = "5"; }),
            "random_forest has no parameter 'n_estimator'\nhint: did you mean 'n_estimators'?");
  EXPECT_THAT(refusal([](TrainConfig& c) { c.set["random_forest"]["n_estimators"] = "many"; }),
              StartsWith("random_forest.n_estimators: 'many' is not an integer\nhint: "));
  EXPECT_EQ(refusal([](TrainConfig& c) {
              c.models = {"decision_tree"};
              c.set["random_forest"]["n_estimators"] = "5";
            }),
            "parameters are set for 'random_forest', which is not among the models\nhint: add it "
            "to --models, or leave out --set random_forest...");
}

TEST(Config, RefusesAMetricThatDoesNotExist) {
  EXPECT_THAT(refusal([](TrainConfig& c) { c.metric = "rsme"; }),
              StartsWith("there is no metric 'rsme'\nhint: "));
}

TEST(Config, RefusesWhatIsForTheOtherTask) {
  EXPECT_EQ(refusal([](TrainConfig& c) {
              c.task = data::Task::kClassification;
              c.metric = "rmse";
            }),
            "the metric 'rmse' is for regression, and this is classification\nhint: choose from "
            "accuracy, balanced_accuracy, f1, roc_auc, log_loss; --task regression says that the "
            "target is otherwise");
  EXPECT_THAT(refusal([](TrainConfig& c) {
                c.task = data::Task::kClassification;
                c.models = {"linear_regression"};
              }),
              StartsWith("the model 'linear_regression' is for regression only\nhint: "));
  EXPECT_EQ(refusal([](TrainConfig& c) {
              c.task = data::Task::kRegression;
              c.positive = "yes";
            }),
            "--positive yes names a class, and this is regression\nhint: leave it out, or say "
            "--task classification");
}

TEST(Config, WithoutATaskWhatFitsEitherPasses) {
  TrainConfig config = least();
  config.metric = "log_loss";
  config.positive = "yes";
  check(config);
  EXPECT_THROW(check_for(config, data::Task::kRegression), core::InvalidArgument);
  config.metric = "r2";
  check(config);
  EXPECT_THROW(check_for(config, data::Task::kClassification), core::InvalidArgument);
}

TEST(Config, TheMetricIsTheTasksFirstUnlessNamed) {
  TrainConfig config = least();
  EXPECT_EQ(metric_of(config, data::Task::kRegression).name, "r2");
  EXPECT_EQ(metric_of(config, data::Task::kClassification).name, "accuracy");
  config.metric = "log_loss";
  EXPECT_EQ(metric_of(config, data::Task::kClassification).name, "log_loss");
}

TEST(Config, RefusesParametersOfAModelThatIsNotTrainedByDefault) {
  TrainConfig config = least();
  config.set["ridge"]["alpha"] = "2";
  check(config);
  EXPECT_EQ(complaint<core::InvalidArgument>([&] { check_for(config, data::Task::kRegression); }),
            "parameters are set for 'ridge', which is not among the models\nhint: add it to "
            "--models, or leave out --set ridge...");
  config.models = {"all"};
  check_for(config, data::Task::kRegression);
}

TEST(Config, TheBaselineMayBeGivenParameters) {
  TrainConfig config = least();
  config.set["baseline"]["strategy"] = "median";
  check_for(config, data::Task::kRegression);
}

TEST(Config, RefusesAllAmongOthersAndTheBaselineAlone) {
  EXPECT_EQ(refusal([](TrainConfig& c) {
              c.models = {"decision_tree", "all"};
            }),
            "'all' stands among other models\nhint: give --models all, or name the models");
  EXPECT_EQ(refusal([](TrainConfig& c) { c.models = {"baseline"}; }),
            "no model is named besides the baseline\nhint: every run trains the baseline: name "
            "what is to be compared to it");
}

TEST(Config, RefusesAColumnWithTwoParts) {
  EXPECT_THAT(refusal([](TrainConfig& c) {
                c.weight = "w";
                c.categorical = {"w"};
              }),
              StartsWith("'w' is named by --weight and by --categorical\nhint: "));
  EXPECT_THAT(refusal([](TrainConfig& c) { c.weight = c.group = "w"; }),
              StartsWith("'w' is named by --weight and by --group\nhint: "));
  EXPECT_THAT(refusal([](TrainConfig& c) { c.weight = c.time = "w"; }),
              StartsWith("'w' is named by --weight and by --time\nhint: "));
  EXPECT_EQ(refusal([](TrainConfig& c) {
              c.group = "shop";
              c.time = "sold";
            }),
            "both --group and --time are given\nhint: give one of them: groups may cross in time");
  TrainConfig same = least();
  same.id = same.group = "shop";
  same.drop = {"shop"};
  check(same);
}

TEST(Config, RefusesSplitsThatCannotBeMade) {
  EXPECT_EQ(refusal([](TrainConfig& c) {
              c.folds = 5;
              c.test_size = 0.2;
            }),
            "both --folds and --test-size are given\nhint: give one of them");
  for (const std::size_t folds : {0, 1}) {
    EXPECT_EQ(refusal([&](TrainConfig& c) { c.folds = folds; }),
              "--folds must be at least 2, not " + std::to_string(folds) +
                  "\nhint: for a single split give --test-size 0.2");
  }
  for (const auto& [size, text] : std::vector<std::pair<double, std::string>>{
           {0.0, "0"}, {1.0, "1"}, {-0.5, "-0.5"}, {20.0, "20"}, {std::nan(""), "nan"}}) {
    EXPECT_EQ(refusal([&](TrainConfig& c) { c.test_size = size; }),
              "--test-size must lie between 0 and 1, not " + text +
                  "\nhint: 0.2 tests a fifth of the rows");
  }
}

TEST(Config, RefusesNoCores) {
  EXPECT_EQ(refusal([](TrainConfig& c) { c.cores = 0; }),
            "--cores must be at least 1, not 0\nhint: leave it out to use all that this process "
            "may");
}

TEST(Config, RefusesATargetThatIsSomethingElseToo) {
  EXPECT_EQ(refusal([](TrainConfig& c) {
              c.drop = {"x", "price"};
            }),
            "the target 'price' is also named by --drop\nhint: the target has no other part: name "
            "another column with --drop");
  for (const auto& [option, name] :
       std::vector<std::pair<std::string, std::function<void(TrainConfig&)>>>{
           {"--categorical", [](TrainConfig& c) { c.categorical = {"price"}; }},
           {"--id", [](TrainConfig& c) { c.id = "price"; }},
           {"--weight", [](TrainConfig& c) { c.weight = "price"; }},
           {"--group", [](TrainConfig& c) { c.group = "price"; }},
           {"--time", [](TrainConfig& c) { c.time = "price"; }}})
    EXPECT_THAT(refusal(name), StartsWith("the target 'price' is also named by " + option));
}

TEST(Config, CountsTheFolds) {
  TrainConfig config = least();
  EXPECT_EQ(fold_count(config), kDefaultFolds);
  config.folds = 3;
  EXPECT_EQ(fold_count(config), 3u);
  config.folds.reset();
  config.test_size = 0.2;
  EXPECT_EQ(fold_count(config), 1u);
}

std::vector<std::string> labels_of(const TrainConfig& config, data::Task task) {
  std::vector<std::string> labels;
  for (const CandidateName& name : candidates_of(config, task)) labels.push_back(name.label);
  return labels;
}

TEST(Config, CandidatesAreInTheOrderOfTheRegistry) {
  TrainConfig config = least();
  EXPECT_THAT(labels_of(config, data::Task::kRegression),
              testing::IsSupersetOf({"linear_regression", "decision_tree", "random_forest"}));
  config.models = {"random_forest", "linear_regression"};
  EXPECT_THAT(labels_of(config, data::Task::kRegression),
              ElementsAre("linear_regression", "random_forest", "baseline"));
}

TEST(Config, OneEstimatorMayBeGivenUnderSeveralNames) {
  TrainConfig config = least();
  config.models = {"small=random_forest", "linear_regression", "big=random_forest",
                   "random_forest"};
  parse_setting("small.n_estimators=5", config);
  parse_setting("small.max_depth=2", config);
  check(config);
  EXPECT_THAT(labels_of(config, data::Task::kRegression),
              ElementsAre("linear_regression", "small", "big", "random_forest", "baseline"));
  EXPECT_EQ(estimator_of(config, "small"), "random_forest");
  EXPECT_EQ(config.set.at("small"),
            (models::ParameterMap{{"n_estimators", "5"}, {"max_depth", "2"}}));
}

TEST(Config, NamesOfOnesOwnThatCannotBeAreRefused) {
  EXPECT_EQ(complaint<core::InvalidArgument>([] { candidate_named("a/b=random_forest"); }),
            "'a/b' cannot be the name of a model\nhint: use letters, digits, '_' and '-': "
            "small=random_forest");
  EXPECT_EQ(complaint<core::InvalidArgument>([] { candidate_named("ridge=random_forest"); }),
            "'ridge' cannot be the name of a random_forest: it means something else\nhint: choose "
            "another name: my_ridge=random_forest");
  EXPECT_THAT(complaint<core::InvalidArgument>([] { candidate_named("small=forest"); }),
              HasSubstr("'forest'"));
  TrainConfig config = least();
  config.models = {"small=random_forest", "small=decision_tree"};
  EXPECT_THAT(complaint<core::InvalidArgument>([&] { check(config); }),
              HasSubstr("the model 'small' is named twice"));
  config.models = {"small=random_forest"};
  EXPECT_THAT(complaint<core::InvalidArgument>([&] { parse_setting("small.n_trees=5", config); }),
              HasSubstr("n_trees"));
}

TEST(Config, ASearchNeedsDrawsAndSomethingToSearch) {
  TrainConfig config = least();
  config.models = {"ridge"};
  config.ensemble = false;
  config.task = data::Task::kRegression;
  config.search = 20;
  check(config);
  EXPECT_EQ(config_from_json(to_json(config), "config.json"), config);
  EXPECT_EQ(space_of(config, {"ridge", "ridge"}, data::Task::kRegression).size(), 1u);
  config.set["ridge"]["alpha"] = "3";
  EXPECT_TRUE(space_of(config, {"ridge", "ridge"}, data::Task::kRegression).empty());
  EXPECT_THAT(complaint<core::InvalidArgument>([&] { check(config); }),
              HasSubstr("--search 20: an empty search space: there is nothing to search of ridge"));
  config.search = 1;
  EXPECT_THAT(complaint<core::InvalidArgument>([&] { check(config); }),
              HasSubstr("--search must be from 2"));
  EXPECT_THAT(complaint<core::InvalidInput>([] {
                config_from_json({{"ensemble", 1}}, "config.json");
              }),
              HasSubstr("'ensemble' is 1, not true or false"));
  EXPECT_THAT(complaint<core::InvalidArgument>([] { candidate_named("ensemble=ridge"); }),
              HasSubstr("it means something else"));
}

TEST(Config, AllIsEveryModelOfTheTask) {
  TrainConfig config = least();
  config.models = {"all"};
  check(config);
  for (const data::Task task : {data::Task::kRegression, data::Task::kClassification}) {
    std::vector<std::string> expected;
    for (const models::EstimatorInfo& info : models::estimators()) {
      if (info.task == task) expected.push_back(info.name);
    }
    EXPECT_EQ(labels_of(config, task), expected);
  }
}

}  // namespace
}  // namespace mutirao::train
