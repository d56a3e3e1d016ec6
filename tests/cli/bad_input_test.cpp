// Everything that a user can get wrong: one sentence, one hint, exit code 2, and nothing left
// behind.

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.hpp"

namespace mutirao::tests {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class BadInput : public testing::Test {
 protected:
  /// Trains on `data` and expects a refusal that begins with `sentence`.
  void refused(const std::string& data, const std::string& sentence,
               std::vector<std::string> options = {}) {
    std::vector<std::string> arguments = {"train", data, "--target", "y", "--out", "made"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    refuses(arguments, sentence);
    EXPECT_FALSE(place_.exists("made")) << "a run folder was left behind";
  }

  void refuses(const std::vector<std::string>& arguments, const std::string& sentence) {
    const Outcome outcome = place_.run(arguments);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, StartsWith("mutirao: error: " + sentence));
    const auto lines = std::count(outcome.err.begin(), outcome.err.end(), '\n');
    EXPECT_LE(lines, 2) << outcome.err;
    if (lines == 2) {
      EXPECT_THAT(outcome.err, HasSubstr("\nhint: "));
    }
    last_ = outcome;
  }

  std::string good() { return place_.write("good.csv", small_table(30)); }

  Workplace place_;
  Outcome last_;
};

TEST_F(BadInput, AFileThatIsNotThereIsNamed) {
  refused("nowhere.csv", "there is no file nowhere.csv\n");
}

TEST_F(BadInput, AFolderIsNotData) {
  place_.write("folder/t.csv", small_table(5));
  refused("folder", "folder is a folder\nhint: name the files in it: \"folder/*.csv\"");
}

TEST_F(BadInput, AnEmptyFileSaysSo) { refused(place_.write("t.csv", ""), "t.csv is empty\n"); }

TEST_F(BadInput, AHeaderAloneSaysSo) {
  refused(place_.write("t.csv", "a,y\n"), "t.csv has a header and no rows\n");
}

TEST_F(BadInput, ATargetThatIsNoColumnSuggestsTheNearest) {
  refuses({"train", diamonds(), "--target", "prize", "--out", "made"},
          "there is no target 'prize' in the data\nhint: did you mean 'price'?");
  EXPECT_FALSE(place_.exists("made"));
}

TEST_F(BadInput, TextInARegressionTargetIsNamedByItsLine) {
  refused(place_.write("t.csv", "a,y\n1,2\n2,3\n3,many\n4,5\n"),
          "the target 'y' is to be a number, but line 4 holds 'many'\n", {"--task", "regression"});
}

TEST_F(BadInput, WhatDoesNotFitTheTaskIsNamed) {
  const std::string words = place_.write("words.csv", labelled_table(40));
  refused(words,
          "the metric 'rmse' is for regression, and this is classification\nhint: choose from ",
          {"--metric", "rmse"});
  refused(good(), "the metric 'log_loss' is for classification, and this is regression\nhint: ",
          {"--metric", "log_loss"});
  refused(words, "the model 'linear_regression' is for regression only\nhint: ",
          {"--models", "linear_regression"});
  refused(good(), "--positive yes names a class, and this is regression\n", {"--positive", "yes"});
  refused(words, "the target 'y' has no class 'Yes'\nhint: did you mean 'yes'?",
          {"--positive", "Yes"});
}

TEST_F(BadInput, ATargetOfOneClassLeavesNothingToLearn) {
  refused(place_.write("t.csv", "a,y\n1,red\n2,red\n3,red\n4,red\n5,red\n"),
          "the target 'y' is 'red' in every row: there is nothing to learn\n");
}

TEST_F(BadInput, ATargetOfNamesIsNoClass) {
  std::string names = "a,y\n";
  for (int i = 0; i < 30; ++i) names += std::to_string(i) + ",n" + std::to_string(i) + "\n";
  refused(place_.write("t.csv", names),
          "no class of the target 'y' has 5 rows, as 5 folds need: the largest, 'n0', has 1\n");
}

TEST_F(BadInput, ADateIsNoClass) {
  refused(place_.write("t.csv", "a,y\n1,2024-01-01\n2,2024-01-02\n3,2024-01-01\n"),
          "the target 'y' holds dates, which are no classes\n", {"--task", "classification"});
}

TEST_F(BadInput, WeightsThatAreNoneAreNamedByTheirLine) {
  const auto weighted = [&](const std::string& third) {
    return place_.write("w.csv", "a,w,y\n1,1,2.5\n2," + third + ",3.5\n3,1,1.5\n4,1,0.5\n");
  };
  refused(weighted("-1"), "the weight column 'w' is -1 in line 3\n", {"--weight", "w"});
  refused(weighted(""), "the weight column 'w' is missing in line 3\n", {"--weight", "w"});
  refused(weighted("x"), "the weight column 'w' is to hold numbers, but line 3 holds 'x'\n",
          {"--weight", "w"});
  refused(weighted("1"), "there is no weight column 'W' in the data\nhint: did you mean 'w'?",
          {"--weight", "W"});
}

TEST_F(BadInput, GroupsAndTimesThatCannotDivideTheRowsAreNamed) {
  const std::string table = place_.write(
      "g.csv",
      "a,g,d,y\n1,p,2024-01-01,2.5\n2,p,1.1.2024,3.5\n3,q,2024-01-03,1.5\n4,,2024-01-04,0.5\n"
      "5,q,2024-01-05,4.5\n");
  refused(table, "the group column 'g' is missing in line 5\n", {"--group", "g"});
  refused(table, "the time column 'd' is to hold dates or numbers, but line 3 holds '1.1.2024'\n",
          {"--time", "d"});
  refused(table, "both --group and --time are given\n", {"--group", "g", "--time", "d"});
  const std::string two =
      place_.write("two.csv", "a,g,y\n1,p,2.5\n2,p,3.5\n3,q,1.5\n4,q,0.5\n5,q,4.5\n");
  refused(two, "5 folds need 5 groups, and there are 2\n", {"--group", "g"});
  refused(two, "5 folds in the order of time need 6 different times, and there are 5\n",
          {"--time", "a"});
}

TEST_F(BadInput, ATargetThatIsMissingEverywhereSaysSo) {
  refused(place_.write("t.csv", "a,y\n1,\n2,NA\n3,?\n"),
          "the target 'y' is missing in every row\n");
}

TEST_F(BadInput, OneRowIsTooFew) {
  refused(place_.write("t.csv", "a,y\n1,2.5\n"), "one row is too few to learn from\n");
}

TEST_F(BadInput, AConstantTargetLeavesNothingToLearn) {
  refused(place_.write("t.csv", "a,y\n1,2.5\n2,2.5\n3,2.5\n"),
          "the target 'y' is 2.5 in every row: there is nothing to learn\n");
}

TEST_F(BadInput, ColumnsOfTheSameNameAreNamed) {
  refused(place_.write("t.csv", "a,b,a,y\n1,2,3,4\n2,3,4,5\n"),
          "t.csv: columns 1 and 3 are both named 'a'\n");
}

TEST_F(BadInput, ARaggedRowIsNamedByItsLine) {
  refused(place_.write("t.csv", "a,y\n1,2\n2,3,4\n"),
          "t.csv, line 3: 3 cells where the header has 2\n");
}

TEST_F(BadInput, AnInfinityIsNamedByColumnAndLine) {
  refused(place_.write("t.csv", "a,y\n1,2\n2,3\ninf,4\n"),
          "t.csv, line 4: column 'a' holds an infinity\n");
}

TEST_F(BadInput, ABinaryFileIsNotText) {
  refused(place_.write("t.csv", std::string("\x7f"
                                            "ELF\0\1\2\3\n\0\0\0",
                                            12)),
          "t.csv is a binary file, not text\n");
}

TEST_F(BadInput, ABadQueryGivesTheReason) {
  refused("SELECT * FROM nowhere", "the query cannot be run: ");
  EXPECT_THAT(last_.err, HasSubstr("nowhere"));
}

TEST_F(BadInput, AnUnknownModelSuggestsTheNearest) {
  refused(good(), "there is no model 'random_forrest'\nhint: did you mean 'random_forest'?",
          {"--models", "linear_regression,random_forrest"});
}

TEST_F(BadInput, AModelNamedTwiceIsRefused) {
  refused(good(), "the model 'decision_tree' is named twice\n",
          {"--models", "decision_tree,decision_tree"});
}

TEST_F(BadInput, AnUnknownMetricSuggestsTheNearest) {
  refused(good(), "there is no metric 'rsme'\nhint: did you mean 'rmse'?", {"--metric", "rsme"});
}

TEST_F(BadInput, AnUnknownParameterSuggestsTheNearest) {
  refused(good(), "random_forest has no parameter 'n_trees'\nhint: known: ",
          {"--set", "random_forest.n_trees=5"});
  refused(good(), "decision_tree has no parameter 'max_deph'\nhint: did you mean 'max_depth'?",
          {"--set", "decision_tree.max_deph=5"});
}

TEST_F(BadInput, AParameterThatIsNoNumberIsNamed) {
  refused(good(), "random_forest.n_estimators: 'many' is not an integer\n",
          {"--set", "random_forest.n_estimators=many"});
}

TEST_F(BadInput, ASettingForAModelThatIsNotTrainedIsRefused) {
  refused(good(), "parameters are set for 'random_forest', which is not among the models\n",
          {"--models", "decision_tree", "--set", "random_forest.n_estimators=5"});
}

TEST_F(BadInput, AnUnknownOptionSuggestsTheNearest) {
  refused(good(), "there is no option --fold of mutirao train\nhint: did you mean '--folds'?",
          {"--fold", "3"});
}

TEST_F(BadInput, AnUnknownTaskSuggestsTheNearest) {
  refused(good(), "there is no task 'regresion'\nhint: did you mean 'regression'?",
          {"--task", "regresion"});
}

TEST_F(BadInput, FewerThanTwoFoldsAreRefused) {
  refused(good(), "--folds must be a whole number of at least 2, not '1'\n", {"--folds", "1"});
  refused(good(), "--folds must be a whole number of at least 2, not '-3'\n", {"--folds", "-3"});
}

TEST_F(BadInput, MoreFoldsThanRowsAreRefused) {
  refused(good(), "31 folds need 31 rows that have a target, and there are 30\n",
          {"--folds", "31"});
}

TEST_F(BadInput, FoldsAndATestSizeTogetherAreRefused) {
  refused(good(), "both --folds and --test-size are given\n",
          {"--folds", "3", "--test-size", "0.5"});
}

TEST_F(BadInput, ATestSizeOutsideOfZeroAndOneIsRefused) {
  refused(good(), "--test-size must lie between 0 and 1, not 1.5\n", {"--test-size", "1.5"});
  refused(good(), "--test-size must be a number between 0 and 1, not 'half'\n",
          {"--test-size", "half"});
  refused(good(), "a test size of 0.99 leaves no training rows out of 30\n",
          {"--test-size", "0.99"});
}

TEST_F(BadInput, CoresBelowOneAreRefused) {
  refused(good(), "--cores must be a whole number of at least 1, not '-2'\n", {"--cores", "-2"});
  refused(good(), "--cores must be a whole number of at least 1, not '0'\n", {"--cores", "0"});
}

TEST_F(BadInput, ASeedThatIsNoNumberIsRefused) {
  refused(good(), "--seed must be a whole number of at least 0, not 'x'\n", {"--seed", "x"});
}

TEST_F(BadInput, AColumnToDropThatIsNotThereSuggestsTheNearest) {
  refuses({"train", diamonds(), "--target", "price", "--out", "made", "--drop", "caret"},
          "there is no column to drop 'caret' in the data\nhint: did you mean 'carat'?");
}

TEST_F(BadInput, DroppingEveryColumnLeavesNothingToLearnFrom) {
  refused(good(), "no column is left to learn from: 'a' (dropped), 'b' (dropped), 'c' (dropped)\n",
          {"--drop", "a,b,c"});
}

TEST_F(BadInput, TheTargetCannotBeDropped) {
  refused(good(), "the target 'y' is also named by --drop\n", {"--drop", "y"});
}

TEST_F(BadInput, AFolderThatIsNotEmptyIsNotOverwritten) {
  place_.write("full/precious.txt", "mine");
  refuses({"train", good(), "--target", "y", "--out", "full"}, "the folder full is not empty\n");
  EXPECT_EQ(place_.read("full/precious.txt"), "mine");
  EXPECT_FALSE(place_.exists("full/config.json"));
}

TEST_F(BadInput, AFolderThatHoldsARunSaysHowItGoesOn) {
  place_.write("run/events.jsonl", "");
  const Outcome outcome = place_.run({"train", good(), "--target", "y", "--out", "run"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.err,
            "mutirao: error: the folder run holds a run\n"
            "hint: go on with it: mutirao resume run, or name another with --out\n");
}

TEST_F(BadInput, AFileIsNoRunFolder) {
  place_.write("taken", "mine");
  refuses({"train", good(), "--target", "y", "--out", "taken"},
          "taken is a file, not a folder for a run\n");
  EXPECT_EQ(place_.read("taken"), "mine");
}

TEST_F(BadInput, APlaceThatCannotBeWrittenIsNamed) {
  refuses({"train", good(), "--target", "y", "--out", "/proc/nowhere/run"},
          "cannot make the run folder /proc/nowhere/run: ");
}

TEST_F(BadInput, AnEmptyFolderIsLeftEmptyWhenTheDataIsBad) {
  std::filesystem::create_directory(place_.path() / "mine");
  refuses({"train", "nowhere.csv", "--target", "y", "--out", "mine"},
          "there is no file nowhere.csv\n");
  EXPECT_TRUE(std::filesystem::is_empty(place_.path() / "mine"));
}

TEST_F(BadInput, AConfigurationThatIsNotJsonIsNamedByItsLine) {
  place_.write("c.json", "{\n \"data\": oops\n}\n");
  refuses({"train", "--config", "c.json"}, "c.json, line 2: this is not JSON\n");
}

TEST_F(BadInput, AKeyThatIsNoneSuggestsTheNearest) {
  place_.write("c.json", R"({"data": "good.csv", "traget": "y"})");
  refuses({"train", "--config", "c.json"},
          "c.json: there is no key 'traget'\nhint: did you mean 'target'?");
}

TEST_F(BadInput, NoCommandNoDataAndNoTargetAreNamed) {
  refuses({}, "no command is given\n");
  refuses({"trian"}, "there is no command 'trian'\nhint: did you mean 'train'?");
  refuses({"train"}, "no data is given\n");
  refuses({"train", good()}, "no target is given\n");
}

TEST_F(BadInput, AnArgumentTooManyIsNamed) {
  refuses({"train", good(), "b.csv", "--target", "y"}, "'b.csv' is one argument too many\n");
}

TEST_F(BadInput, AFolderThatIsNoRunIsNotShown) {
  place_.write("folder/t.csv", "x");
  refuses({"show", "folder"}, "folder is not the folder of a run\n");
  refuses({"show", "nowhere"}, "nowhere is not the folder of a run\n");
}

}  // namespace
}  // namespace mutirao::tests
