// Damaged models and data that does not fit: `mutirao predict`.

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.hpp"

namespace mutirao::tests {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class Predict : public testing::Test {
 protected:
  void SetUp() override {
    place_.write("t.csv", small_table(60));
    const Outcome outcome =
        place_.run({"train", "t.csv", "--target", "y", "--out", "run", "--models",
                    "linear_regression,decision_tree", "--folds", "2", "--quiet"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }

  void refuses(const std::vector<std::string>& arguments, const std::string& sentence) {
    const Outcome outcome = place_.run(arguments);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, StartsWith("mutirao: error: " + sentence));
  }

  Workplace place_;
};

TEST_F(Predict, KeepsTheOrderOfTheRowsAndPrintsCsv) {
  place_.write("new.csv", "c,b,a\nred,10,900\nblue,20,5\nred,10,900\n");
  const Outcome outcome = place_.run({"predict", "run", "new.csv"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < outcome.out.size(); at = outcome.out.find('\n', at) + 1)
    lines.push_back(outcome.out.substr(at, outcome.out.find('\n', at) - at));
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0], "prediction");
  EXPECT_NEAR(std::stod(lines[1]), 2705.5, 60.0);
  EXPECT_NEAR(std::stod(lines[2]), 225.5, 60.0);
  EXPECT_EQ(lines[3], lines[1]);
}

TEST_F(Predict, ARunMeansItsBestModelAndAFileMeansItself) {
  const Outcome best = place_.run({"predict", "run", "t.csv"});
  const auto shown = place_.run({"show", "run", "--json"}).json();
  const std::string model = shown["leaderboard"][0]["model"];
  EXPECT_EQ(best.out, place_.run({"predict", "run", "t.csv", "--model", model}).out);
  EXPECT_EQ(best.out, place_.run({"predict", "run/models/" + model + ".mutirao", "t.csv"}).out);
  EXPECT_NE(best.out, place_
                          .run({"predict", "run", "t.csv", "--model",
                                shown["leaderboard"].back()["model"].get<std::string>()})
                          .out);
}

TEST_F(Predict, WritesCsvOrParquetWhereItIsTold) {
  const Outcome outcome = place_.run({"predict", "run", "t.csv", "-o", "p.csv"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(place_.read("p.csv"), place_.run({"predict", "run", "t.csv"}).out);
  ASSERT_EQ(place_.run({"predict", "run", "t.csv", "-o", "p.parquet"}).code, 0);
  EXPECT_THAT(place_.read("p.parquet"), StartsWith("PAR1"));
}

TEST_F(Predict, ATableOfNoRowsGivesAHeader) {
  place_.write("none.csv", "a,b,c\n");
  const Outcome outcome = place_.run({"predict", "run", "none.csv"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "prediction\n");
}

TEST_F(Predict, UnseenCategoriesAndMissingCellsArePredictedToo) {
  place_.write("new.csv", "a,b,c\n1,2,mauve\n,,\n");
  const Outcome outcome = place_.run({"predict", "run", "new.csv"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 3);
}

TEST_F(Predict, ExtraColumnsAreIgnoredAndSaidOnce) {
  place_.write("new.csv", "a,b,c,hue,size\n1,2,red,3,4\n1,2,red,3,4\n");
  const Outcome outcome = place_.run({"predict", "run", "new.csv"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.err, "mutirao: hue, size are ignored: the model does not use them\n");
}

TEST_F(Predict, WhatWasTextInTrainingIsTextHoweverItLooksNow) {
  std::string rows = "zip,y\n";
  for (int i = 0; i < 30; ++i) rows += i % 2 == 0 ? "02139,10.5\n" : "K1A,20.5\n";
  place_.write("zips.csv", rows);
  ASSERT_EQ(place_
                .run({"train", "zips.csv", "--target", "y", "--out", "zips", "--models",
                      "decision_tree", "--quiet"})
                .code,
            0);
  place_.write("new.csv", "zip\n02139\n02139\n");
  EXPECT_EQ(place_.run({"predict", "zips", "new.csv"}).out, "prediction\n10.5\n10.5\n");
}

TEST_F(Predict, AnIdIsGivenBackAsItStands) {
  place_.write("ids.csv", "code,a,y\n007,1,10.5\n008,2,20.5\n009,3,30.5\n010,4,40.5\n");
  ASSERT_EQ(place_
                .run({"train", "ids.csv", "--target", "y", "--id", "code", "--out", "coded",
                      "--models", "decision_tree", "--folds", "2", "--quiet"})
                .code,
            0);
  EXPECT_THAT(place_.run({"predict", "coded", "ids.csv"}).out,
              StartsWith("code,prediction\n007,10.5\n008,20.5\n"));
}

TEST_F(Predict, DataThatLacksAColumnIsRefused) {
  place_.write("new.csv", "a,c\n1,red\n");
  refuses({"predict", "run", "new.csv"}, "the data lacks the column 'b'\n");
}

TEST_F(Predict, ALackingColumnLeavesTheOldOutputAlone) {
  place_.write("new.csv", "a,c\n1,red\n");
  place_.write("p.csv", "old");
  refuses({"predict", "run", "new.csv", "-o", "p.csv"}, "the data lacks the column 'b'\n");
  EXPECT_EQ(place_.read("p.csv"), "old");
  EXPECT_EQ(place_.content(), (std::vector<std::string>{"new.csv", "p.csv", "run", "t.csv"}));
}

TEST_F(Predict, TextInAColumnOfNumbersIsRefused) {
  place_.write("new.csv", "a,b,c\n1,two,red\n");
  refuses({"predict", "run", "new.csv"},
          "column 'b' holds text where the training data held number\n");
}

TEST_F(Predict, AModelFileCutShortIsRefused) {
  const std::string whole = place_.read("run/models/decision_tree.mutirao");
  place_.write("cut.mutirao", whole.substr(0, whole.size() - 100));
  refuses({"predict", "cut.mutirao", "t.csv"}, "the model file cut.mutirao is cut short: ");
  place_.write("cut.mutirao", "");
  refuses({"predict", "cut.mutirao", "t.csv"}, "the model file cut.mutirao is empty\n");
}

TEST_F(Predict, AModelFileWithAFlippedByteIsRefused) {
  const std::string whole = place_.read("run/models/decision_tree.mutirao");
  for (const std::size_t at :
       {std::size_t{10}, std::size_t{100}, whole.size() / 2, whole.size() - 1}) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x20);
    place_.write("flipped.mutirao", flipped);
    refuses({"predict", "flipped.mutirao", "t.csv"}, "the model file flipped.mutirao is damaged");
  }
}

TEST_F(Predict, AFileThatIsNoModelIsRefused) {
  refuses({"predict", "t.csv", "t.csv"}, "the model file t.csv is not a model of mutirao\n");
}

TEST_F(Predict, AnUnknownModelOfTheRunIsRefused) {
  refuses({"predict", "run", "t.csv", "--model", "decision_three"},
          "the run run has no model 'decision_three'\nhint: did you mean 'decision_tree'?");
}

TEST_F(Predict, AnOutputThatCannotBeWrittenIsNamed) {
  refuses({"predict", "run", "t.csv", "-o", "nowhere/p.csv"}, "cannot write nowhere/p.csv: ");
}

TEST_F(Predict, TheIdColumnOfTrainingComesFirst) {
  place_.write("ids.csv", "name,a,y\nx1,1,10.5\nx2,2,20.5\nx3,3,30.5\nx4,4,40.5\n");
  ASSERT_EQ(place_
                .run({"train", "ids.csv", "--target", "y", "--id", "name", "--out", "named",
                      "--models", "linear_regression", "--folds", "2", "--quiet"})
                .code,
            0);
  const Outcome outcome = place_.run({"predict", "named", "ids.csv"});
  EXPECT_THAT(outcome.out, StartsWith("name,prediction\nx1,10."));
  place_.write("new.csv", "a\n1\n");
  refuses({"predict", "named", "new.csv"}, "there is no id column 'name' in the data\n");
}

TEST_F(Predict, AModelIsExportedAsOnnxAndNothingElse) {
  ASSERT_EQ(place_.run({"export", "run", "-o", "best.onnx"}).code, 0);
  ASSERT_EQ(place_.run({"export", "run", "-o", "tree.onnx", "--model", "decision_tree"}).code, 0);
  ASSERT_EQ(place_.run({"export", "run/models/decision_tree.mutirao", "-o", "file.onnx"}).code, 0);
  EXPECT_EQ(place_.read("tree.onnx"), place_.read("file.onnx"));
  EXPECT_THAT(place_.read("tree.onnx"), HasSubstr("TreeEnsembleRegressor"));
  refuses({"export", "run", "-o", "model.pmml"},
          "what model.pmml should hold cannot be told: only ONNX is written");
  refuses({"export", "run", "-o", "no/folder.onnx"}, "cannot write no/folder.onnx");
  refuses({"export", "run", "-o", "m.onnx", "--model", "ridge"},
          "the run run has no model 'ridge'");
  EXPECT_FALSE(place_.exists("m.onnx"));
}

}  // namespace
}  // namespace mutirao::tests
