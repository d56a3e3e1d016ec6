#include "mutirao/models/blend.hpp"

#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/decision_tree.hpp"
#include "mutirao/models/dummy.hpp"
#include "mutirao/models/internal/sections.hpp"
#include "mutirao/models/linear_regression.hpp"
#include "mutirao/models/ridge.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

using test::Problem;

template <class T>
std::shared_ptr<const T> fitted(const Problem& problem, typename T::Options options = {}) {
  auto estimator = std::make_shared<T>(options);
  estimator->fit(problem.x, problem.y);
  return estimator;
}

Problem numbers() { return test::friedman(80, 3, 1); }
Problem classes() {
  Problem problem = numbers();
  for (double& y : problem.y) y = y < 12.0 ? 0.0 : y < 16.0 ? 1.0 : 2.0;
  return problem;
}

data::MatrixView columns(const data::Matrix& x, std::size_t first, std::size_t count) {
  return {x.column(first).data(), x.rows(), count, x.rows()};
}

TEST(Blend, PredictsTheWeightedMeanOfNumbers) {
  const Problem problem = numbers();
  const auto tree = fitted<DecisionTreeRegressor>(problem, {.max_depth = 3});
  const auto line = fitted<LinearRegression>(problem);
  const Blend blend({{.estimator = tree, .weight = 3.0}, {.estimator = line, .weight = 1.0}});
  EXPECT_EQ(blend.parameters(),
            (ParameterMap{{"decision_tree", "0.75"}, {"linear_regression", "0.25"}}));
  EXPECT_EQ(blend.n_features(), 3u);
  EXPECT_EQ(blend.task(), data::Task::kRegression);
  const std::vector<double> of_tree = tree->predict(problem.x);
  const std::vector<double> of_line = line->predict(problem.x);
  const std::vector<double> all = blend.predict(problem.x);
  for (std::size_t i = 0; i < all.size(); ++i)
    EXPECT_EQ(all[i], 0.0 + 0.75 * of_tree[i] + 0.25 * of_line[i]);
  const std::vector<std::uint32_t> rows = {7, 3};
  EXPECT_EQ(blend.predict(problem.x, rows), (std::vector<double>{all[7], all[3]}));
}

TEST(Blend, PredictsTheWeightedMeanOfProbabilities) {
  const Problem problem = classes();
  const auto tree = fitted<DecisionTreeClassifier>(problem, {.max_depth = 2});
  const auto prior = fitted<DummyClassifier>(problem);
  const Blend blend({{.estimator = prior}, {.estimator = tree}});
  EXPECT_EQ(blend.n_classes(), 3u);
  const std::vector<double> of_tree = tree->predict_proba(problem.x);
  const std::vector<double> of_prior = prior->predict_proba(problem.x);
  const std::vector<double> all = blend.predict_proba(problem.x);
  const std::vector<double> predicted = blend.predict(problem.x);
  for (std::size_t row = 0; row < predicted.size(); ++row) {
    std::size_t likeliest = 0;
    for (std::size_t c = 0; c < 3; ++c) {
      const std::size_t i = row * 3 + c;
      EXPECT_EQ(all[i], 0.0 + 0.5 * of_prior[i] + 0.5 * of_tree[i]);
      if (all[i] > all[row * 3 + likeliest]) likeliest = c;
    }
    EXPECT_EQ(predicted[row], static_cast<double>(likeliest));
  }
}

TEST(Blend, GivesEachMemberItsColumns) {
  const Problem problem = numbers();
  LinearRegression first, rest;
  first.fit(columns(problem.x, 0, 1), problem.y);
  rest.fit(columns(problem.x, 1, 2), problem.y);
  const std::vector<double> of_first = first.predict(columns(problem.x, 0, 1));
  const std::vector<double> of_rest = rest.predict(columns(problem.x, 1, 2));
  const Blend blend(
      {{.label = "first", .estimator = std::make_shared<LinearRegression>(first), .n_columns = 1},
       {.label = "rest",
        .estimator = std::make_shared<LinearRegression>(rest),
        .first_column = 1,
        .n_columns = 2}});
  EXPECT_EQ(blend.n_features(), 3u);
  const std::vector<double> all = blend.predict(problem.x);
  for (std::size_t i = 0; i < all.size(); ++i)
    EXPECT_EQ(all[i], 0.0 + 0.5 * of_first[i] + 0.5 * of_rest[i]);

  // Fitted anew, it is the same.
  const std::unique_ptr<Estimator> again = blend.clone();
  EXPECT_FALSE(again->fitted());
  EXPECT_THROW(again->predict(problem.x), core::InvalidArgument);
  again->fit(problem.x, problem.y);
  EXPECT_EQ(again->predict(problem.x), all);
  EXPECT_EQ(again->parameters(), blend.parameters());
  EXPECT_THROW(again->fit(columns(problem.x, 0, 2), problem.y), core::InvalidArgument);
}

TEST(Blend, FitsItsMembersOnTheSameRows) {
  const Problem problem = classes();
  Blend blend({{.estimator = std::make_shared<DecisionTreeClassifier>(), .weight = 0.5},
               {.estimator = std::make_shared<DummyClassifier>(), .weight = 0.5}});
  EXPECT_FALSE(blend.fitted());
  EXPECT_EQ(blend.n_classes(), 0u);
  std::vector<std::uint32_t> rows;
  for (std::uint32_t row = 0; row < 80; row += 2) rows.push_back(row);
  std::uint64_t told = 0;
  blend.fit(
      {.x = problem.x, .y = problem.y, .rows = rows, .n_classes = 3},
      {.progress = [&](std::uint64_t done, std::uint64_t total) { told = done * 10 + total; }});
  EXPECT_EQ(told, 22u);
  DecisionTreeClassifier tree;
  tree.fit({.x = problem.x, .y = problem.y, .rows = rows, .n_classes = 3}, {});
  EXPECT_EQ(blend.members()[0].estimator->predict_proba(problem.x), tree.predict_proba(problem.x));
}

/// What save() writes, for another to load, as a file would give it back.
void reload(const Blend& from, Blend& into) {
  SectionWriter writer;
  from.save(writer);
  into.load(SectionReader(writer.sections(), nullptr));
}

TEST(Blend, ComesBackFromItsSections) {
  const Problem problem = numbers();
  const Blend blend(
      {{.label = "a", .estimator = fitted<DecisionTreeRegressor>(problem), .weight = 1.0},
       {.label = "b", .estimator = fitted<Ridge>(problem, {.alpha = 7.0}), .weight = 2.0},
       {.label = "c", .estimator = fitted<Ridge>(problem), .weight = 4.0}});
  Blend loaded(data::Task::kRegression);
  reload(blend, loaded);
  EXPECT_EQ(loaded.predict(problem.x), blend.predict(problem.x));
  EXPECT_EQ(loaded.parameters(), blend.parameters());
  EXPECT_EQ(loaded.members()[1].estimator->parameters().at("alpha"), "7.0");
  // Of the other task there is no such model.
  Blend other(data::Task::kClassification);
  EXPECT_THROW(reload(blend, other), core::InvalidArgument);
}

TEST(Blend, RefusesMembersThatCannotBeBlended) {
  const Problem problem = numbers();
  const auto tree = fitted<DecisionTreeRegressor>(problem);
  const auto unfitted = std::make_shared<DecisionTreeRegressor>();
  const auto of_classes = fitted<DecisionTreeClassifier>(classes());
  EXPECT_THROW(Blend(std::vector<BlendMember>{}), core::InvalidArgument);
  for (const double weight : {0.0, -1.0, std::nan(""), HUGE_VAL})
    EXPECT_THROW(Blend({{.estimator = tree, .weight = weight}}), core::InvalidArgument) << weight;
  EXPECT_THROW(Blend({{.estimator = nullptr}}), core::InvalidArgument);
  EXPECT_THROW(Blend({{.estimator = tree}, {.estimator = unfitted}}), core::InvalidArgument);
  EXPECT_THROW(Blend({{.estimator = tree}, {.estimator = of_classes}}), core::InvalidArgument);
  EXPECT_THROW(Blend({{.estimator = std::make_shared<Blend>(Blend({{.estimator = tree}}))}}),
               core::InvalidArgument);
  EXPECT_THROW(Blend({{.label = "a", .estimator = tree}, {.label = "a", .estimator = tree}}),
               core::InvalidArgument);
  EXPECT_THROW(Blend({{.estimator = tree, .n_columns = 2}}), core::InvalidArgument);
  EXPECT_THROW(Blend({{.estimator = tree, .first_column = 1}}), core::InvalidArgument);
  EXPECT_EQ(Blend({{.estimator = tree}, {.estimator = tree}}).parameters(),
            (ParameterMap{{"decision_tree", "0.5"}, {"decision_tree_2", "0.5"}}));
}

}  // namespace
}  // namespace mutirao::models
