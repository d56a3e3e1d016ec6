#include "mutirao/models/search_space.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/registry.hpp"

namespace mutirao::models {
namespace {

using Kind = Distribution::Kind;

TEST(SearchSpace, DrawsWhatEveryEstimatorTakes) {
  for (const EstimatorInfo& info : estimators()) {
    SCOPED_TRACE(info.class_name);
    const SearchSpace& space = search_space(info.name, info.task);
    EXPECT_EQ(space.empty(), info.name == "linear_regression" || info.name == "baseline");
    for (const Distribution& each : space) {
      const auto known =
          std::find_if(info.parameters.begin(), info.parameters.end(),
                       [&](const ParameterInfo& one) { return one.name == each.parameter; });
      EXPECT_NE(known, info.parameters.end()) << each.parameter;
      for (const double place : {0.0, 0.3, 0x1.fffffffffffffp-1}) {
        const ParameterMap one = {{each.parameter, each.value_at(place)}};
        EXPECT_NO_THROW(make_estimator(info.name, one, info.task)) << one.begin()->second;
      }
    }
    for (std::uint64_t number = 0; number < 50; ++number) {
      const ParameterMap drawn = draw(space, {}, 3, info.name, number);
      const ParameterMap seen = make_estimator(info.name, drawn, info.task)->parameters();
      for (const auto& [name, value] : drawn) EXPECT_EQ(seen.at(name), value) << name;
    }
  }
  EXPECT_THROW(search_space("ensemble", data::Task::kRegression), core::InvalidArgument);
  EXPECT_THROW(search_space("ridge", data::Task::kClassification), core::InvalidArgument);
}

TEST(SearchSpace, DrawsTheSameForTheSameSeedLabelAndNumberAlone) {
  const SearchSpace& space = search_space("gradient_boosting", data::Task::kRegression);
  if (space.empty()) GTEST_SKIP() << "built without XGBoost";
  const ParameterMap one = draw(space, {}, 7, "gradient_boosting", 4);
  EXPECT_EQ(draw(space, {}, 7, "gradient_boosting", 4), one);
  EXPECT_EQ(one.size(), space.size());
  EXPECT_NE(draw(space, {}, 8, "gradient_boosting", 4), one);
  EXPECT_NE(draw(space, {}, 7, "another", 4), one);
  EXPECT_NE(draw(space, {}, 7, "gradient_boosting", 5), one);
}

TEST(SearchSpace, DrawsValuesThatDoNotChangeFromVersionToVersion) {
  EXPECT_EQ(draw(search_space("ridge", data::Task::kRegression), {}, 0, "ridge", 1).at("alpha"),
            "19.66");
  EXPECT_EQ(draw(search_space("random_forest", data::Task::kRegression), {}, 0, "a forest", 2),
            (ParameterMap{{"max_features", "0.9144"}, {"min_samples_leaf", "4"}}));
}

TEST(SearchSpace, BeginsWithTheDefaultsAndLeavesFixedParametersAlone) {
  const SearchSpace& space = search_space("k_neighbors", data::Task::kRegression);
  const ParameterMap fixed = {{"weights", "uniform"}};
  EXPECT_EQ(draw(space, fixed, 1, "k_neighbors", 0), fixed);
  for (std::uint64_t number = 1; number < 20; ++number) {
    ParameterMap all = draw(space, {}, 1, "k_neighbors", number);
    const ParameterMap others = draw(space, fixed, 1, "k_neighbors", number);
    EXPECT_EQ(others.at("weights"), "uniform");
    all["weights"] = "uniform";
    EXPECT_EQ(others, all);
  }
}

TEST(Distribution, CoversItsRangeAndNoMore) {
  const Distribution uniform{"a", Kind::kUniform, 0.5, 1.0};
  EXPECT_EQ(uniform.value_at(0.0), "0.5");
  EXPECT_EQ(uniform.value_at(0.5), "0.75");
  EXPECT_EQ(uniform.value_at(0x1.fffffffffffffp-1), "1.0");
  EXPECT_EQ(uniform.value_at(0.123456), "0.5617");
  const Distribution decades{"a", Kind::kLogUniform, 1e-4, 1e4};
  EXPECT_EQ(decades.value_at(0.0), "0.0001");
  EXPECT_EQ(decades.value_at(0.25), "0.01");
  EXPECT_EQ(decades.value_at(0.5), "1.0");
  EXPECT_EQ(decades.value_at(0x1.fffffffffffffp-1), "10000.0");

  std::set<std::string> integers, logs, choices;
  const Distribution integer{"a", Kind::kInteger, 3, 6};
  const Distribution log_integer{"a", Kind::kLogInteger, 1, 4};
  const Distribution choice{"a", Kind::kChoice, 0, 0, {"x", "y", "z"}};
  std::size_t ones = 0;
  constexpr int kPlaces = 1000;
  for (int i = 0; i < kPlaces; ++i) {
    const double place = i / static_cast<double>(kPlaces);
    integers.insert(integer.value_at(place));
    logs.insert(log_integer.value_at(place));
    choices.insert(choice.value_at(place));
    ones += log_integer.value_at(place) == "1" ? 1 : 0;
  }
  EXPECT_EQ(integers, (std::set<std::string>{"3", "4", "5", "6"}));
  EXPECT_EQ(logs, (std::set<std::string>{"1", "2", "3", "4"}));
  EXPECT_EQ(choices, (std::set<std::string>{"x", "y", "z"}));
  EXPECT_NEAR(static_cast<double>(ones) / kPlaces, std::log(2.0) / std::log(5.0), 0.002);
}

TEST(Distribution, SaysWhatItIs) {
  EXPECT_EQ((Distribution{"a", Kind::kLogUniform, 1e-4, 10}.text()), "log-uniform, 0.0001 to 10");
  EXPECT_EQ((Distribution{"a", Kind::kChoice, 0, 0, {"x", "y"}}.text()), "x or y");
}

}  // namespace
}  // namespace mutirao::models
