#include "mutirao/train/predict.hpp"

#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../data/temporary_folder.hpp"
#include "complaint.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/file.hpp"
#include "mutirao/data/source.hpp"
#include "mutirao/models/model.hpp"
#include "mutirao/train/run_folder.hpp"
#include "mutirao/train/train.hpp"
#include "some_tables.hpp"

namespace mutirao::train {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class Predict : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_.file(name); }

  RunResult trained(const std::vector<std::string>& models = {"linear_regression", "decision_tree"},
                    const std::optional<std::string>& id = std::nullopt,
                    std::size_t rows = 60) const {
    TrainConfig config{.data = folder_.write("t.csv", some_csv(rows)), .target = "y"};
    config.models = models;
    config.folds = 2;
    config.id = id;
    return train(config, {.out = path("run")});
  }
  std::vector<double> predictions(const std::string& model, const std::string& csv) const {
    const data::Column column =
        predict(model, folder_.write("new.csv", csv)).table.at("prediction");
    return {column.numbers.begin(), column.numbers.end()};
  }

  data::TemporaryFolder folder_;
};

TEST_F(Predict, ARunMeansItsBestModel) {
  const RunResult result = trained();
  EXPECT_EQ(model_file_of(path("run"), ""), path("run/" + *result.leaderboard[0].model_file));
  EXPECT_EQ(model_file_of(path("run/"), ""), path("run/" + *result.leaderboard[0].model_file));
}

TEST_F(Predict, AModelOfARunIsChosenByName) {
  trained();
  for (const std::string name : {"linear_regression", "decision_tree"})
    EXPECT_EQ(model_file_of(path("run"), name), path("run/models/" + name + ".mutirao"));
  EXPECT_EQ(complaint<core::InvalidArgument>([&] { model_file_of(path("run"), "decisiontree"); }),
            "the run " + path("run") +
                " has no model 'decisiontree'\nhint: did you mean 'decision_tree'?");
}

TEST_F(Predict, AModelFileIsItself) {
  trained();
  const std::string file = path("run/models/decision_tree.mutirao");
  EXPECT_EQ(model_file_of(file, ""), file);
  EXPECT_EQ(complaint<core::InvalidArgument>([&] { model_file_of(file, "decision_tree"); }),
            "--model decision_tree goes with a run folder, and " + file +
                " is a file\nhint: leave out --model, or name the run folder");
}

TEST_F(Predict, WhatIsNeitherRunNorModelIsSaid) {
  EXPECT_THAT(complaint<core::InvalidInput>([&] { model_file_of(path("none"), ""); }),
              StartsWith("there is no run and no model " + path("none")));
  EXPECT_THAT(complaint<core::InvalidInput>([&] { model_file_of(folder_.path(), ""); }),
              StartsWith(folder_.path() + " is not the folder of a run"));
}

TEST_F(Predict, AModelThatFailedCannotBeChosen) {
  TrainConfig config{.data = folder_.write("t.csv", some_csv(60)), .target = "y"};
  config.models = {"random_forest"};
  config.set["random_forest"]["max_samples"] = "5000";
  train(config, {.out = path("run")});
  EXPECT_EQ(complaint<core::InvalidArgument>([&] { model_file_of(path("run"), "random_forest"); }),
            "the model 'random_forest' of " + path("run") +
                " was not saved: it failed\nhint: mutirao show " + path("run") +
                " lists the models");
  EXPECT_EQ(complaint<core::InvalidInput>([&] { model_file_of(path("run"), ""); }),
            "the run " + path("run") + " has no model: none was finished\nhint: train again");
}

TEST_F(Predict, ARunThatWasMovedStillPredicts) {
  trained();
  fs::rename(path("run"), path("elsewhere"));
  EXPECT_EQ(predict(model_file_of(path("elsewhere"), ""), path("t.csv")).table.rows(), 60u);
}

TEST_F(Predict, GivesOnePredictionPerRowInOrder) {
  const RunResult result = trained();
  const data::Table table = data::read_table(path("t.csv"));
  for (const CandidateResult& row : result.leaderboard) {
    const std::string file = path("run/" + *row.model_file);
    const Predictions given = predict(file, path("t.csv"));
    EXPECT_THAT(given.table.names(), ElementsAre("prediction"));
    const auto span = given.table.at("prediction").numbers.span();
    EXPECT_EQ(std::vector<double>(span.begin(), span.end()),
              models::Model::load(file).predict(table));
    EXPECT_FALSE(given.table.at("prediction").integral);
  }
}

TEST_F(Predict, TheTargetNeedNotBeThereAndIsNotAmongTheIgnored) {
  trained({"decision_tree"});
  const std::string file = model_file_of(path("run"), "");
  EXPECT_THAT(predict(file, path("t.csv")).ignored, IsEmpty());
  const data::Table whole = data::read_table(path("t.csv"));
  const Predictions without = predict(file, "SELECT x, c, d, b, z FROM '" + path("t.csv") + "'");
  EXPECT_EQ(without.table.rows(), 60u);
}

TEST_F(Predict, ColumnsInAnotherOrderAndFurtherOnesChangeNothing) {
  trained();
  const std::string file = model_file_of(path("run"), "linear_regression");
  const Predictions plain = predict(file, path("t.csv"));
  const Predictions shuffled = predict(
      file, "SELECT 'a' AS extra, z, b, d, c, 7 AS more, x FROM read_csv('" + path("t.csv") + "')");
  EXPECT_THAT(shuffled.ignored, ElementsAre("extra", "more"));
  for (std::size_t row = 0; row < 60; ++row) {
    EXPECT_EQ(plain.table.at("prediction").numbers[row],
              shuffled.table.at("prediction").numbers[row]);
  }
}

TEST_F(Predict, TheIdColumnStandsBeforeThePrediction) {
  trained({"decision_tree"}, "c");
  const Predictions given = predict(model_file_of(path("run"), ""), path("t.csv"));
  EXPECT_THAT(given.table.names(), ElementsAre("c", "prediction"));
  const data::Table table = data::read_table(path("t.csv"));
  for (std::size_t row = 0; row < 60; ++row)
    EXPECT_EQ(given.table.at("c").codes[row], table.at("c").codes[row]);
  EXPECT_THAT(given.ignored, IsEmpty());
  EXPECT_THAT(complaint<core::InvalidInput>([&] {
                predict(model_file_of(path("run"), ""),
                        folder_.write("new.csv", "x,d,b,z\n1,2024-03-01,true,2\n"));
              }),
              StartsWith("there is no id column 'c' in the data"));
}

TEST_F(Predict, AColumnThatIsMissingIsNamed) {
  trained();
  for (const std::string model : {"linear_regression", "decision_tree"}) {
    EXPECT_EQ(complaint<core::InvalidInput>(
                  [&] { predictions(model_file_of(path("run"), model), "x,c,d,b\n1,p,,true\n"); }),
              "the data lacks the column 'z'\nhint: the model was trained with it; add it, with "
              "empty cells if it is unknown");
  }
}

TEST_F(Predict, AnotherKindOfValueThanInTrainingIsRefused) {
  trained();
  EXPECT_THAT(complaint<core::InvalidInput>([&] {
                predictions(model_file_of(path("run"), ""),
                            "x,c,d,b,z\nlarge,p,2024-03-01,true,1\n");
              }),
              StartsWith("column 'x' holds text where the training data held number"));
  EXPECT_THAT(complaint<core::InvalidInput>([&] {
                predictions(model_file_of(path("run"), ""), "x,c,d,b,z\n1,p,5,true,1\n");
              }),
              StartsWith("column 'd' holds number where the training data held timestamp"));
}

TEST_F(Predict, NoRowsGiveNoPredictions) {
  trained({"linear_regression", "decision_tree"});
  for (const std::string model : {"linear_regression", "decision_tree"}) {
    const Predictions given =
        predict(model_file_of(path("run"), model), folder_.write("new.csv", "x,c,d,b,z\n"));
    EXPECT_EQ(given.table.rows(), 0u);
    EXPECT_THAT(given.table.names(), ElementsAre("prediction"));
    EXPECT_EQ(predict(model_file_of(path("run"), model),
                      "SELECT * FROM '" + path("t.csv") + "' WHERE false")
                  .table.rows(),
              0u);
  }
}

TEST_F(Predict, NoRowsWithAnIdGiveBothColumns) {
  trained({"decision_tree"}, "c");
  const Predictions given =
      predict(model_file_of(path("run"), ""), folder_.write("new.csv", "x,c,d,b,z\n"));
  EXPECT_THAT(given.table.names(), ElementsAre("c", "prediction"));
  EXPECT_EQ(given.table.rows(), 0u);
}

TEST_F(Predict, ATreeTakesAnUnseenCategoryForMissing) {
  trained({"decision_tree"});
  const std::vector<double> given =
      predictions(model_file_of(path("run"), ""),
                  "x,c,d,b,z\n0.5,never,2024-03-01,true,0.5\n0.5,,2024-03-01,true,0.5\n"
                  "0.5,s,2024-03-01,true,0.5\n");
  EXPECT_EQ(given[0], given[1]);
  EXPECT_TRUE(std::isfinite(given[0]));
}

TEST_F(Predict, EveryCellMayBeMissing) {
  trained();
  for (const std::string model : {"linear_regression", "decision_tree"}) {
    const std::vector<double> given =
        predictions(model_file_of(path("run"), model), "x,c,d,b,z\n,,,,\n0.5,p,,,\n");
    ASSERT_EQ(given.size(), 2u);
    EXPECT_TRUE(std::isfinite(given[0]) && std::isfinite(given[1])) << model;
  }
}

TEST_F(Predict, ADamagedModelIsSaidWhateverByteIsWrong) {
  trained({"linear_regression", "decision_tree"}, std::nullopt, 12);
  for (const std::string model : {"linear_regression", "decision_tree"}) {
    const std::string bytes = core::read_file(model_file_of(path("run"), model));
    for (std::size_t at = 0; at < bytes.size(); at += at < 200 ? 1 : 7) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
      folder_.write("damaged", damaged);
      EXPECT_THAT(complaint<core::CorruptFile>([&] { predict(path("damaged"), path("t.csv")); }),
                  HasSubstr("damaged"))
          << model << ", byte " << at;
    }
  }
}

TEST_F(Predict, AModelThatIsCutShortIsSaidWhereverItEnds) {
  trained({"linear_regression", "decision_tree"}, std::nullopt, 12);
  for (const std::string model : {"linear_regression", "decision_tree"}) {
    const std::string bytes = core::read_file(model_file_of(path("run"), model));
    for (std::size_t length = 0; length < bytes.size(); length += length < 200 ? 1 : 7) {
      folder_.write("cut", bytes.substr(0, length));
      EXPECT_THAT(complaint<core::CorruptFile>([&] { predict(path("cut"), path("t.csv")); }),
                  HasSubstr("cut"))
          << model << ", " << length << " bytes";
    }
  }
}

}  // namespace
}  // namespace mutirao::train
