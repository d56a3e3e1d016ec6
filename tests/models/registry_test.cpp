#include "mutirao/models/registry.hpp"

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

/// The complaint about "--set text": message and hint.
std::pair<std::string, std::string> complaint(const std::string& text) {
  std::map<std::string, ParameterMap> settings;
  try {
    parse_setting(text, settings);
  } catch (const core::InvalidArgument& error) {
    return {error.what(), error.hint()};
  }
  return {};
}

TEST(Registry, MakesWhatItLists) {
  for (const EstimatorInfo& info : estimators()) {
    const auto estimator = make_estimator(info.name, {}, info.task);
    EXPECT_EQ(estimator->name(), info.name);
    EXPECT_EQ(estimator->task(), info.task);
    const ParameterMap parameters = estimator->parameters();
    ASSERT_EQ(parameters.size(), info.parameters.size());
    for (const ParameterInfo& parameter : info.parameters)
      EXPECT_EQ(parameters.at(parameter.name), parameter.default_value) << parameter.name;
  }
}

TEST(Registry, ReadsBackWhatItWrites) {
  const ParameterMap given = {{"n_estimators", "7"},    {"max_depth", "3"},
                              {"max_features", "0.5"},  {"min_samples_leaf", "0.01"},
                              {"max_samples", "0.8"},   {"oob_score", "true"},
                              {"max_leaf_nodes", "40"}, {"min_impurity_decrease", "0.001"},
                              {"ccp_alpha", "1e-05"},   {"min_samples_split", "4"}};
  const ParameterMap seen = make_estimator("random_forest", given)->parameters();
  for (const auto& [name, value] : given) EXPECT_EQ(seen.at(name), value) << name;
  EXPECT_EQ(make_estimator("random_forest", seen)->clone()->parameters(), seen);
  EXPECT_EQ(
      make_estimator("random_forest", {{"max_features", "sqrt"}})->parameters().at("max_features"),
      "sqrt");
}

TEST(Registry, RefusesAModelOfTheOtherTask) {
  EXPECT_FALSE(has_estimator("linear_regression", data::Task::kClassification));
  EXPECT_THROW(has_estimator("linear_regresion", data::Task::kClassification),
               core::InvalidArgument);
  try {
    make_estimator("linear_regression", {}, data::Task::kClassification);
    FAIL() << "it was made";
  } catch (const core::InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "the model 'linear_regression' is for regression only");
    EXPECT_NE(error.hint().find("--task regression"), std::string::npos) << error.hint();
  }
}

TEST(Registry, KeepsSettingsByModel) {
  std::map<std::string, ParameterMap> settings;
  parse_setting("random_forest.n_estimators=500,max_features=3", settings);
  parse_setting("decision_tree.max_depth=4", settings);
  parse_setting("random_forest.bootstrap=false", settings);
  EXPECT_EQ(settings["random_forest"],
            (ParameterMap{{"n_estimators", "500"}, {"max_features", "3"}, {"bootstrap", "false"}}));
  EXPECT_EQ(settings["decision_tree"], (ParameterMap{{"max_depth", "4"}}));
}

TEST(Registry, SuggestsTheModelThatWasMeant) {
  const auto [what, hint] = complaint("random_forrest.n_estimators=500");
  EXPECT_EQ(what, "there is no model 'random_forrest'");
  EXPECT_NE(hint.find("'random_forest'"), std::string::npos) << hint;
}

TEST(Registry, SuggestsTheParameterThatWasMeant) {
  const auto [what, hint] = complaint("random_forest.n_estimator=500");
  EXPECT_EQ(what, "random_forest has no parameter 'n_estimator'");
  EXPECT_NE(hint.find("'n_estimators'"), std::string::npos) << hint;
}

TEST(Registry, NamesTheValueThatIsNotOfItsType) {
  const auto [what, hint] = complaint("random_forest.n_estimators=many");
  EXPECT_EQ(what, "random_forest.n_estimators: 'many' is not an integer");
  EXPECT_EQ(hint, "n_estimators takes: integer, at least 1");
}

TEST(Registry, NamesTheValueThatIsOutOfRange) {
  EXPECT_EQ(complaint("random_forest.n_estimators=0").first,
            "random_forest.n_estimators: '0' is out of range");
  EXPECT_EQ(complaint("decision_tree.max_depth=0").first,
            "decision_tree.max_depth: '0' is out of range");
  EXPECT_EQ(complaint("decision_tree.min_samples_split=1").first,
            "decision_tree.min_samples_split: '1' is out of range");
  EXPECT_EQ(complaint("decision_tree.min_samples_leaf=1.0").first,
            "decision_tree.min_samples_leaf: '1.0' is out of range");
  EXPECT_EQ(complaint("decision_tree.min_weight_fraction_leaf=0.6").first,
            "decision_tree.min_weight_fraction_leaf: '0.6' is out of range");
  EXPECT_EQ(complaint("decision_tree.max_features=0").first,
            "decision_tree.max_features: '0' is out of range");
  EXPECT_EQ(complaint("decision_tree.max_leaf_nodes=1").first,
            "decision_tree.max_leaf_nodes: '1' is out of range");
  EXPECT_EQ(complaint("decision_tree.min_impurity_decrease=-1").first,
            "decision_tree.min_impurity_decrease: '-1.0' is out of range");
  EXPECT_EQ(complaint("decision_tree.ccp_alpha=-1").first,
            "decision_tree.ccp_alpha: '-1.0' is out of range");
  EXPECT_EQ(complaint("random_forest.max_samples=1.5").first,
            "random_forest.max_samples: '1.5' is out of range");
}

TEST(Registry, RefusesACriterionThatIsNotOffered) {
  EXPECT_EQ(complaint("random_forest.criterion=absolute_error").first,
            "random_forest.criterion: 'absolute_error' is not offered");
}

TEST(Registry, SaysWhyAParameterOfScikitLearnIsNotOffered) {
  const auto [what, hint] = complaint("random_forest.n_jobs=2");
  EXPECT_EQ(what, "random_forest.n_jobs is not offered");
  EXPECT_NE(hint.find("--cores"), std::string::npos);
}

TEST(Registry, RefusesWhatNeedsBootstrapWithoutIt) {
  EXPECT_EQ(complaint("random_forest.bootstrap=false,max_samples=0.5").first,
            "random_forest.max_samples: '0.5' is given without bootstrap");
  EXPECT_EQ(complaint("random_forest.bootstrap=false,oob_score=true").first,
            "random_forest.oob_score: 'true' is given without bootstrap");
}

TEST(Registry, SaysHowASettingIsWritten) {
  EXPECT_NE(complaint("n_estimators=5").first, "");
  EXPECT_NE(complaint("random_forest").first, "");
  EXPECT_NE(complaint("random_forest.n_estimators").first, "");
  EXPECT_NE(complaint("random_forest.=5").first, "");
}

}  // namespace
}  // namespace mutirao::models
