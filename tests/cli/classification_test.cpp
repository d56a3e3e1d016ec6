// `mutirao train` and `predict` where the target is a class.

#include <algorithm>
#include <cmath>
#include <map>
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
using testing::StartsWith;

std::string shipped(const std::string& name) {
  return std::string(MUTIRAO_SOURCE_DIR) + "/examples/data/" + name;
}

const Json& row_of(const Json& result, const std::string& model) {
  for (const Json& row : result.at("leaderboard")) {
    if (row.at("model") == model) return row;
  }
  throw std::runtime_error("no row for " + model);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class Classify : public testing::Test {
 protected:
  Json train(const std::string& data, const std::string& target,
             std::vector<std::string> options = {}, const std::string& out = "run") {
    std::vector<std::string> arguments = {"train", data,    "--target", target,  "--models",
                                          kModels, "--out", out,        "--json"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Outcome outcome = place_.run(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    said_ = outcome.err;
    return outcome.code == 0 ? outcome.json() : Json();
  }

  static constexpr const char* kModels = "logistic_regression,k_neighbors";
  Workplace place_;
  std::string said_;
};

// Scores of scikit-learn 1.2.1 behind a StandardScaler: means of 5 stratified shuffled folds over 8
// seeds, within five standard deviations of one seed.
TEST_F(Classify, TheTumoursAreToldApartAsWellAsByScikitLearn) {
  const Json result = train(shipped("breast_cancer.csv"), "diagnosis");
  EXPECT_EQ(result["task"], "classification");
  EXPECT_EQ(result["classes"], Json({"benign", "malignant"}));
  EXPECT_EQ(result["positive"], "malignant");
  EXPECT_EQ(result["metric"], "accuracy");
  EXPECT_NEAR(row_of(result, "logistic_regression")["score"], 0.980, 0.011);
  EXPECT_NEAR(row_of(result, "logistic_regression")["metrics"]["roc_auc"], 0.9954, 0.003);
  EXPECT_NEAR(row_of(result, "k_neighbors")["score"], 0.966, 0.011);
  EXPECT_NEAR(row_of(result, "baseline")["score"], 357.0 / 569.0, 0.001);
  EXPECT_EQ(row_of(result, "baseline")["baseline"], true);
  EXPECT_THAT(said_,
              AllOf(HasSubstr("target 'diagnosis' holds text: this is classification (--task "
                              "says otherwise)"),
                    HasSubstr("the positive class, which f1 and roc_auc judge, is "
                              "'malignant' (--positive names the other)")));
  EXPECT_THAT(place_.read("run/report.html"),
              AllOf(HasSubstr("<table class=\"confusion\">"), HasSubstr("<polyline points=")));
}

TEST_F(Classify, ThreeFlowersGetALabelAndAProbabilityEach) {
  const Json result = train(shipped("iris.csv"), "species", {"--metric", "log_loss"});
  EXPECT_EQ(result["classes"], Json({"setosa", "versicolor", "virginica"}));
  EXPECT_TRUE(result["positive"].is_null());
  EXPECT_LE(result["leaderboard"][0]["score"], result["leaderboard"][1]["score"]);
  EXPECT_EQ(result["leaderboard"][3]["model"], "baseline");
  place_.write(
      "new.csv",
      "sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n6.3,3.3,6.0,2.5\n");
  const std::vector<std::string> lines =
      lines_of(place_.run({"predict", "run", "new.csv", "--model", "k_neighbors"}).out);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], "prediction,probability_setosa,probability_versicolor,probability_virginica");
  EXPECT_THAT(lines[1], StartsWith("setosa,1,0,0"));
  EXPECT_THAT(lines[2], StartsWith("virginica,0,"));
}

TEST_F(Classify, ThePositiveClassChangesWhatIsJudgedAndNothingElse) {
  const std::string table = place_.write("t.csv", labelled_table(120));
  const Json yes = train(table, "y", {}, "yes");
  const Json no = train(table, "y", {"--positive", "no"}, "no");
  EXPECT_EQ(yes["positive"], "yes");
  EXPECT_EQ(no["positive"], "no");
  const Json& one = row_of(yes, "logistic_regression")["metrics"];
  const Json& other = row_of(no, "logistic_regression")["metrics"];
  EXPECT_EQ(one["accuracy"], other["accuracy"]);
  EXPECT_NEAR(one["roc_auc"], other["roc_auc"], 1e-12);
  EXPECT_NE(one["f1"], other["f1"]);
}

TEST_F(Classify, IntegersAndBooleansAreLabelsToo) {
  std::string text = "a,digit,flag\n";
  for (int i = 0; i < 120; ++i)
    text += std::to_string(i % 40) + "," + std::to_string(i % 40 / 14) + "," +
            (i % 40 > 20 ? "true" : "false") + "\n";
  place_.write("t.csv", text);
  const Json digits = train("t.csv", "digit", {"--drop", "flag"}, "digits");
  EXPECT_EQ(digits["classes"], Json({"0", "1", "2"}));
  EXPECT_THAT(said_, HasSubstr("target 'digit' holds integers, 3 of them distinct: this is "
                               "classification (--task says otherwise)"));
  place_.write("new.csv", "a\n3\n39\n");
  EXPECT_THAT(
      place_.run({"predict", "digits", "new.csv", "--model", "k_neighbors"}).out,
      StartsWith("prediction,probability_0,probability_1,probability_2\n0,1,0,0\n2,0,0,1\n"));
  train("t.csv", "flag", {"--drop", "digit"}, "flags");
  EXPECT_THAT(place_.run({"predict", "flags", "new.csv", "--model", "k_neighbors"}).out,
              StartsWith("prediction,probability_false,probability_true\nfalse,1,0\ntrue,0,1\n"));
  const Outcome regression = place_.run({"train", "t.csv", "--target", "digit", "--task",
                                         "regression", "--models", "decision_tree", "--json"});
  EXPECT_EQ(regression.json()["task"], "regression");
}

TEST_F(Classify, AClassThatTrainingNeverSawCostsAWarningNotTheRun) {
  const std::string table = place_.write("t.csv", labelled_table(120) + "5,5,red,g99,perhaps\n");
  const Json result = train(table, "y");
  EXPECT_EQ(result["classes"], Json({"no", "perhaps", "yes"}));
  EXPECT_THAT(result["warnings"].dump(),
              AllOf(HasSubstr("'perhaps' (1 row)"),
                    HasSubstr("some tested rows are of a class that no row to learn from has")));
  for (const Json& row : result["leaderboard"]) {
    EXPECT_EQ(row["status"], "ok");
    for (const char* metric : {"accuracy", "balanced_accuracy", "f1", "roc_auc", "log_loss"})
      EXPECT_FALSE(row["metrics"][metric].is_null()) << metric;
  }
}

TEST_F(Classify, GroupsAndWeightsGoWithClassesToo) {
  const std::string table = place_.write("t.csv", labelled_table(120));
  const Json result =
      train("SELECT *, 1 + a % 3 AS w FROM 't.csv'", "y", {"--group", "g", "--weight", "w"});
  EXPECT_EQ(result["rows"], 120);
  EXPECT_EQ(row_of(result, "k_neighbors")["fold_scores"].size(), 5U);
  const Json held = train("t.csv", "y", {"--test-size", "0.25"}, "held");
  EXPECT_EQ(row_of(held, "k_neighbors")["fold_scores"].size(), 1U);
}

TEST_F(Classify, ADamagedOrNewerModelIsRefused) {
  train(place_.write("t.csv", labelled_table(60)), "y");
  std::string bytes = place_.read("run/models/k_neighbors.mutirao");
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
  place_.write("bad.mutirao", bytes);
  const Outcome outcome = place_.run({"predict", "bad.mutirao", "t.csv"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, StartsWith("mutirao: error: the model file bad.mutirao is damaged"));
}

}  // namespace
}  // namespace mutirao::tests
