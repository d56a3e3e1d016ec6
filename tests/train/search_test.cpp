// Parameters that are searched inside each fold.

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../data/temporary_folder.hpp"
#include "complaint.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/data/source.hpp"
#include "mutirao/models/model.hpp"
#include "mutirao/models/search_space.hpp"
#include "mutirao/train/candidates.hpp"
#include "mutirao/train/internal/inner_splits.hpp"
#include "mutirao/train/train.hpp"
#include "some_tables.hpp"

namespace mutirao::train {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Listener : public RunObserver {
 public:
  void on_event(const Json& event) override { events.push_back(event); }
  std::vector<Json> of(const std::string& name) const {
    std::vector<Json> found;
    for (const Json& event : events) {
      if (event["event"] == name) found.push_back(event);
    }
    return found;
  }
  std::vector<Json> events;
};

class Search : public testing::Test {
 protected:
  TrainConfig config(std::vector<std::string> models, std::size_t rows = 60) const {
    return {.data = folder_.write("t.csv", some_csv(rows)),
            .target = "y",
            .models = std::move(models),
            .folds = 3,
            .metric = "rmse",
            .seed = 4,
            .search = 5,
            .ensemble = false};
  }
  RunResult run(const TrainConfig& config, const std::string& name = "run") {
    return train(config, {.out = folder_.file(name), .observer = &listener_});
  }
  static const CandidateResult& row_of(const RunResult& result, const std::string& model) {
    for (const CandidateResult& row : result.leaderboard) {
      if (row.model == model) return row;
    }
    throw std::runtime_error("no row of " + model);
  }

  data::TemporaryFolder folder_;
  Listener listener_;
};

TEST_F(Search, ScoresAreThoseOfAPlainLoopThatChoosesInsideEachFold) {
  const TrainConfig asked = config({"decision_tree"});
  const RunResult result = run(asked);
  const data::Table table = data::read_table(asked.data);
  const data::FeatureSelection selection = data::select_features(table, {.target = "y"});
  const models::SearchSpace& space = models::search_space("decision_tree", data::Task::kRegression);
  internal::PreparedData rows_alone;  // all that plain inner splits look at

  const auto choose = [&](const std::vector<std::uint32_t>& rows) {
    const std::vector<data::Split> inner =
        internal::inner_splits(internal::inner_split_options(asked), rows_alone, rows);
    models::ParameterMap best;
    double least = INFINITY;
    for (std::uint64_t number = 0; number < 5; ++number) {
      const models::ParameterMap drawn = models::draw(space, {}, 4, "decision_tree", number);
      const Reference tried =
          reference(table, selection, "y", "decision_tree", drawn, inner, 4, "rmse");
      double mean = 0.0;
      for (const double score : tried.fold_scores) mean += score;
      if (mean >= least) continue;
      least = mean;
      best = drawn;
    }
    return best;
  };
  std::vector<double> scores;
  for (const data::Split& split : data::k_fold(60, 3, 4)) {
    const Reference fold =
        reference(table, selection, "y", "decision_tree", choose(split.train), {split}, 4, "rmse");
    scores.push_back(fold.fold_scores.front());
  }
  const CandidateResult& row = row_of(result, "decision_tree");
  EXPECT_EQ(row.fold_scores, scores);
  const models::ParameterMap final_choice = choose(all_rows(table));
  EXPECT_EQ(row.params, models::make_estimator("decision_tree", final_choice)->parameters());
  EXPECT_EQ(models::Model::load(folder_.file("run/models/decision_tree.mutirao"))
                .estimator()
                .parameters(),
            row.params);
}

TEST_F(Search, EveryDrawIsAnEventWithItsParametersAndItsScore) {
  const RunResult result = run(config({"linear_regression", "decision_tree"}));
  const std::vector<Json> draws = listener_.of("draw_done");
  ASSERT_EQ(draws.size(), 4u * 5u) << "three folds and the final fit, of the tree alone";
  std::map<std::string, std::size_t> of_fold;
  for (const Json& draw : draws) {
    EXPECT_EQ(draw["model"], "decision_tree");
    EXPECT_EQ(draw["params"].empty(), draw["draw"] == 0) << draw;
    EXPECT_TRUE(draw["score"].is_number()) << draw;
    EXPECT_TRUE(draw["error"].is_null()) << draw;
    ++of_fold[draw["fold"].dump()];
  }
  EXPECT_EQ(of_fold,
            (std::map<std::string, std::size_t>{{"1", 5}, {"2", 5}, {"3", 5}, {"null", 5}}));
  std::vector<std::string> notes;
  for (const Json& note : listener_.of("note")) notes.push_back(note["text"]);
  EXPECT_THAT(notes, testing::Contains(HasSubstr("linear_regression has nothing to search")));
  EXPECT_EQ(row_of(result, "linear_regression").status, CandidateStatus::kOk);
}

TEST_F(Search, TheNumberOfCoresChangesNoScore) {
  TrainConfig asked = config({"k_neighbors", "ridge"});
  asked.cores = 1;
  const RunResult one = run(asked, "one");
  asked.cores = 2;
  const RunResult two = run(asked, "two");
  for (const std::string model : {"k_neighbors", "ridge"}) {
    EXPECT_EQ(row_of(one, model).fold_scores, row_of(two, model).fold_scores);
    EXPECT_EQ(row_of(one, model).params, row_of(two, model).params);
  }
}

TEST_F(Search, ParametersThatAreSetAreNotDrawn) {
  TrainConfig asked = config({"k_neighbors"});
  asked.set["k_neighbors"]["n_neighbors"] = "3";
  asked.set["k_neighbors"]["p"] = "1";
  const RunResult result = run(asked);
  EXPECT_EQ(row_of(result, "k_neighbors").params.at("n_neighbors"), "3");
  for (const Json& draw : listener_.of("draw_done")) {
    EXPECT_EQ(draw["params"]["n_neighbors"], 3);
    EXPECT_EQ(draw["params"]["p"], 1);
  }
}

TEST_F(Search, DrawsThatCannotBeScoredAreSaidAndTheDefaultsTaken) {
  // More neighbours than there are rows to learn from, inside as outside of folds but in the end.
  TrainConfig asked = config({"k_neighbors"}, 40);
  asked.set["k_neighbors"]["n_neighbors"] = "24";
  const RunResult result = run(asked);
  const CandidateResult& row = row_of(result, "k_neighbors");
  EXPECT_EQ(row.status, CandidateStatus::kOk) << row.error.value_or("");
  bool said = false;
  for (const Json& draw : listener_.of("draw_done")) {
    if (draw["fold"].is_null()) continue;
    EXPECT_TRUE(draw["score"].is_null());
    EXPECT_THAT(draw["error"].get<std::string>(), HasSubstr("24"));
    said = true;
  }
  EXPECT_TRUE(said);
  EXPECT_THAT(result.warnings, testing::Contains(HasSubstr("no draw could be scored")));
}

TEST_F(Search, AnEmptySearchSpaceIsRefused) {
  const auto refuse = [&](TrainConfig asked) {
    return complaint<core::InvalidArgument>([&] { run(asked, "refused"); });
  };
  EXPECT_THAT(refuse(config({"linear_regression"})), HasSubstr("an empty search space"));
  TrainConfig fixed = config({"ridge"});
  fixed.set["ridge"]["alpha"] = "2";
  fixed.task = data::Task::kRegression;
  EXPECT_THAT(refuse(fixed), HasSubstr("nothing to search of ridge"));
  TrainConfig one = config({"ridge"});
  one.search = 1;
  EXPECT_THAT(refuse(one), HasSubstr("--search must be from 2"));
}

}  // namespace
}  // namespace mutirao::train
