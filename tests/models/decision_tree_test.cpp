#include "mutirao/models/decision_tree.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/internal/node_word.hpp"
#include "mutirao/models/ranked_matrix.hpp"
#include "mutirao/models/registry.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

using test::matrix_of;
using test::numbers_of;

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

ParameterMap parameters_of(const nlohmann::json& params) { return params.get<ParameterMap>(); }

/// The nodes of the first tree in depth-first order: feature (-1: leaf), threshold or value.
struct Node {
  int feature;
  double number;
};
std::vector<Node> walk(const TreeNodes& nodes) {
  std::vector<Node> found;
  const unsigned bits = TreeNodes::feature_bits(nodes.n_features());
  const auto visit = [&](auto& self, std::size_t at, bool leaf) -> void {
    if (leaf) {
      found.push_back({-1, std::bit_cast<double>(nodes.words()[at])});
      return;
    }
    const internal::NodeWord word(nodes.words()[at]);
    found.push_back({static_cast<int>(word.feature(bits)), word.threshold()});
    self(self, at + 1, word.left_is_leaf());
    self(self, at + 1 + word.jump(bits), word.right_is_leaf());
  };
  visit(visit, nodes.roots()[0].first, nodes.roots()[0].is_leaf != 0);
  return found;
}

TEST(DecisionTree, SplitsAsScikitLearnDoesWhereNothingIsTied) {
  const nlohmann::json reference = test::reference("tree_splits.json");
  const data::Matrix x = matrix_of(reference["x"]);
  const std::vector<double> y = numbers_of(reference["y"]);
  const std::vector<double> weights = numbers_of(reference["weights"]);
  for (const auto& expected : reference["cases"]) {
    SCOPED_TRACE(expected["params"].dump() + (expected["weighted"] ? " weighted" : ""));
    const auto tree = make_estimator("decision_tree", parameters_of(expected["params"]));
    TrainingSet training{.x = x, .y = y};
    if (expected["weighted"]) training.sample_weight = weights;
    tree->fit(training, {.seed = 1});
    const auto& fitted = dynamic_cast<const DecisionTreeRegressor&>(*tree);
    const std::vector<Node> nodes = walk(fitted.nodes());
    ASSERT_EQ(nodes.size(), expected["feature"].size());
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      ASSERT_EQ(nodes[i].feature, expected["feature"][i]) << "node " << i;
      const double number = expected[nodes[i].feature < 0 ? "value" : "threshold"][i];
      EXPECT_NEAR(nodes[i].number, number, 1e-6 * std::abs(number) + 1e-12) << "node " << i;
    }
    for (std::size_t j = 0; j < x.cols(); ++j)
      EXPECT_NEAR(fitted.feature_importances()[j], expected["importances"][j], 1e-9);
  }
}

TEST(DecisionTree, RemembersEveryRowThatItCanTellApart) {
  const test::Problem problem = test::friedman(3000, 5, 3);
  DecisionTreeRegressor tree;
  tree.fit(problem.x, problem.y);
  EXPECT_EQ(tree.predict(problem.x), problem.y);
  EXPECT_EQ(tree.nodes().leaves(0), 3000u);
}

TEST(DecisionTree, RemembersEveryRowBelowWhereFeaturesStopVarying) {
  test::Problem problem = test::friedman(20000, 5, 3);
  for (double& value : problem.x.writable_column(0)) value = value > 0.0 ? 1.0 : 0.0;
  for (double& value : problem.x.writable_column(1)) value = std::floor(2.0 * value);
  for (double& value : problem.x.writable_column(3)) value = value > 1.0 ? kMissing : 0.0;
  for (const std::size_t max_features : {5, 2}) {
    DecisionTreeRegressor tree(
        {.max_features = MaxFeatures::of(static_cast<std::int64_t>(max_features))});
    tree.fit(problem.x, problem.y);
    EXPECT_EQ(tree.predict(problem.x), problem.y);
  }
}

TEST(DecisionTree, OfRowsThatCannotBeToldApartIsTheirMean) {
  data::Matrix x(4, 2);
  DecisionTreeRegressor tree;
  tree.fit(x, std::vector<double>{1.0, 2.0, 3.0, 6.0});
  EXPECT_EQ(tree.nodes().leaves(0), 1u);
  EXPECT_EQ(tree.predict(x), std::vector<double>(4, 3.0));
}

TEST(DecisionTree, SplitsWhereNoSingleSplitGainsAnything) {
  data::Matrix x(4, 2);
  const std::vector<double> a = {0, 0, 1, 1};
  const std::vector<double> b = {0, 1, 0, 1};
  std::copy(a.begin(), a.end(), x.writable_column(0).begin());
  std::copy(b.begin(), b.end(), x.writable_column(1).begin());
  const std::vector<double> y = {0, 1, 1, 0};
  DecisionTreeRegressor tree;
  tree.fit(x, y);
  EXPECT_EQ(tree.predict(x), y);
}

TEST(DecisionTree, SendsMissingValuesWhereTheyFitBest) {
  const std::size_t n = 40;
  for (const double target_of_missing : {0.0, 5.0}) {
    data::Matrix x(n, 1);
    std::vector<double> y(n);
    for (std::size_t i = 0; i < n; ++i) {
      x.writable_column(0)[i] = i % 4 == 3 ? kMissing : static_cast<double>(i);
      y[i] = i % 4 == 3 ? target_of_missing : (i < 20 ? 0.0 : 5.0);
    }
    DecisionTreeRegressor tree({.max_depth = 1});
    tree.fit(x, y);
    EXPECT_EQ(tree.predict(x), y) << target_of_missing;
  }
}

TEST(DecisionTree, SplitsMissingFromPresent) {
  data::Matrix x(6, 1);
  const std::vector<double> values = {1, kMissing, 2, kMissing, 3, 4};
  std::copy(values.begin(), values.end(), x.writable_column(0).begin());
  const std::vector<double> y = {1, 9, 1, 9, 1, 1};
  DecisionTreeRegressor tree({.max_depth = 1});
  tree.fit(x, y);
  EXPECT_EQ(tree.predict(x), y);
}

TEST(DecisionTree, SendsMissingValuesWithTheLargerPartWhenTrainingHadNone) {
  data::Matrix x(5, 1);
  const std::vector<double> values = {1, 2, 3, 10, 11};
  std::copy(values.begin(), values.end(), x.writable_column(0).begin());
  DecisionTreeRegressor tree({.max_depth = 1});
  tree.fit(x, std::vector<double>{1, 1, 1, 9, 9});
  data::Matrix missing(1, 1);
  missing.writable_column(0)[0] = kMissing;
  EXPECT_EQ(tree.predict(missing)[0], 1.0);
}

TEST(DecisionTree, IsTheSameForAnyNumberOfThreads) {
  const test::Problem problem = test::friedman(20000, 6, 4);
  const RankedMatrix ranked(problem.x);
  std::vector<std::uint64_t> first;
  for (const std::size_t cores : {1, 2, 3, 8}) {
    const test::Cores given(cores);
    DecisionTreeRegressor tree;
    tree.fit({.x = problem.x, .y = problem.y, .ranked = &ranked}, {.seed = 5, .max_cores = cores});
    const std::vector<std::uint64_t> words(tree.nodes().words().begin(),
                                           tree.nodes().words().end());
    if (first.empty()) first = words;
    EXPECT_EQ(words, first) << cores << " cores";
  }
}

TEST(DecisionTree, OfMoreRowsThanANarrowListHoldsRemembersThem) {
  const test::Problem problem = test::friedman(70000, 2, 5);
  DecisionTreeRegressor tree;
  tree.fit(problem.x, problem.y);
  EXPECT_EQ(tree.predict(problem.x), problem.y);
  DecisionTreeRegressor few({.max_leaf_nodes = 10});
  few.fit(problem.x, problem.y);
  EXPECT_EQ(few.nodes().leaves(0), 10u);
}

TEST(DecisionTree, TakesNumbersBeyondFloat32AsItsEnds) {
  data::Matrix x(4, 1);
  const std::vector<double> values = {-1e308, -1.0, 1.0, 1e308};
  std::copy(values.begin(), values.end(), x.writable_column(0).begin());
  const std::vector<double> y = {1, 2, 3, 4};
  DecisionTreeRegressor tree;
  tree.fit(x, y);
  EXPECT_EQ(tree.predict(x), y);
}

TEST(DecisionTree, NamesTheCellThatIsInfinite) {
  test::Problem problem = test::friedman(20, 3, 1);
  problem.x.writable_column(1)[4] = std::numeric_limits<double>::infinity();
  DecisionTreeRegressor tree;
  try {
    tree.fit(problem.x, problem.y);
    FAIL();
  } catch (const core::InvalidInput& error) {
    EXPECT_STREQ(error.what(), "column 1 has an infinite value in row 4");
  }
}

TEST(DecisionTree, StopsWhenAsked) {
  const test::Problem problem = test::friedman(1000, 3, 1);
  std::stop_source source;
  source.request_stop();
  DecisionTreeRegressor tree;
  try {
    tree.fit(problem.x, problem.y, {.stop = source.get_token()});
    FAIL();
  } catch (const core::Error& error) {
    EXPECT_EQ(error.code(), core::ErrorCode::kCancelled);
  }
  EXPECT_FALSE(tree.fitted());
}

TEST(DecisionTree, RefusesToPredictBeforeItIsFitted) {
  EXPECT_THROW(DecisionTreeRegressor().predict(data::Matrix(1, 1)), core::InvalidArgument);
}

TEST(DecisionTree, RefusesOtherColumnsThanItWasFittedOn) {
  const test::Problem problem = test::friedman(100, 3, 1);
  DecisionTreeRegressor tree;
  tree.fit(problem.x, problem.y);
  EXPECT_THROW(tree.predict(data::Matrix(1, 2)), core::InvalidArgument);
}

}  // namespace
}  // namespace mutirao::models
