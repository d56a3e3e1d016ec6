// Trees and forests of classes.

#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/extra_trees.hpp"
#include "mutirao/models/internal/node_word.hpp"
#include "mutirao/models/metrics.hpp"
#include "mutirao/models/random_forest.hpp"
#include "mutirao/models/ranked_matrix.hpp"
#include "mutirao/models/registry.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

/// Friedman's numbers cut into classes.
test::Problem classes(std::size_t rows, std::size_t cols, std::size_t n_classes,
                      std::uint64_t seed) {
  test::Problem problem = test::friedman(rows, cols, seed);
  for (double& y : problem.y) {
    y = n_classes == 2
            ? (y > 18.0 ? 1.0 : 0.0)
            : std::clamp(std::floor((y + 5.0) / 10.0), 0.0, static_cast<double>(n_classes - 1));
  }
  return problem;
}

template <class Trees>
std::vector<std::uint64_t> words_of(const Trees& trees) {
  return {trees.nodes().words().begin(), trees.nodes().words().end()};
}

struct Node {
  int feature;  // -1: leaf
  double threshold;
  std::vector<double> shares;
};

std::vector<Node> walk(const TreeNodes& nodes) {
  std::vector<Node> found;
  const unsigned bits = TreeNodes::feature_bits(nodes.n_features());
  const std::size_t n_classes = nodes.n_classes();
  const auto visit = [&](auto& self, std::size_t at, bool leaf) -> void {
    const internal::NodeWord word(nodes.words()[at]);
    if (leaf) {
      std::vector<double> shares(n_classes, 0.0);
      if (n_classes == 2) {
        shares[1] = std::bit_cast<double>(word.bits());
        shares[0] = 1.0 - shares[1];
      } else if (word.bits() < n_classes) {
        shares[word.bits()] = 1.0;
      } else {
        const auto row = nodes.distributions().subspan((word.bits() - n_classes) * n_classes);
        std::copy_n(row.begin(), n_classes, shares.begin());
      }
      found.push_back({-1, 0.0, shares});
      return;
    }
    found.push_back({static_cast<int>(word.feature(bits)), word.threshold(), {}});
    self(self, at + 1, word.left_is_leaf());
    self(self, at + 1 + word.jump(bits), word.right_is_leaf());
  };
  visit(visit, nodes.roots()[0].first, nodes.roots()[0].is_leaf != 0);
  return found;
}

TEST(DecisionTreeClassifier, SplitsAsScikitLearnDoesWhereNothingIsTied) {
  const nlohmann::json reference = test::reference("class_splits.json");
  const data::Matrix x = test::matrix_of(reference["x"]);
  const std::vector<double> weights = test::numbers_of(reference["weights"]);
  ASSERT_GT(reference["cases"].size(), 20u);
  for (const auto& expected : reference["cases"]) {
    const std::size_t n_classes = expected["n_classes"];
    SCOPED_TRACE(expected["params"].dump() + (expected["weighted"] ? " weighted " : " ") +
                 std::to_string(n_classes));
    const std::vector<double> y = test::numbers_of(reference["y"][std::to_string(n_classes)]);
    const auto tree = make_estimator("decision_tree", expected["params"].get<ParameterMap>(),
                                     data::Task::kClassification);
    TrainingSet training{.x = x, .y = y};
    if (expected["weighted"]) training.sample_weight = weights;
    tree->fit(training, {.seed = 1});
    const auto& fitted = dynamic_cast<const DecisionTreeClassifier&>(*tree);
    const std::vector<Node> nodes = walk(fitted.nodes());
    ASSERT_EQ(nodes.size(), expected["feature"].size());
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      ASSERT_EQ(nodes[i].feature, expected["feature"][i]) << "node " << i;
      if (nodes[i].feature >= 0) {
        EXPECT_NEAR(nodes[i].threshold, expected["threshold"][i], 1e-6);
        continue;
      }
      for (std::size_t c = 0; c < n_classes; ++c)
        EXPECT_NEAR(nodes[i].shares[c], expected["shares"][i][c], 1e-9) << "node " << i;
    }
    for (std::size_t j = 0; j < x.cols(); ++j)
      EXPECT_NEAR(fitted.feature_importances()[j], expected["importances"][j], 1e-9);
  }
}

TEST(DecisionTreeClassifier, RemembersEveryRowThatItCanTellApart) {
  for (const std::size_t n_classes : {2, 5}) {
    for (const char* criterion : {"gini", "log_loss"}) {
      const test::Problem problem = classes(1500, 5, n_classes, 3);
      DecisionTreeClassifier tree({.criterion = criterion});
      tree.fit(problem.x, problem.y);
      EXPECT_EQ(tree.predict(problem.x), problem.y);
      for (const double p : tree.predict_proba(problem.x)) EXPECT_TRUE(p == 0.0 || p == 1.0);
    }
  }
}

TEST(DecisionTreeClassifier, GivesTheSharesOfItsLeaves) {
  data::Matrix x(6, 1);
  const std::vector<double> values = {1, 1, 1, 2, 2, 2};
  std::copy(values.begin(), values.end(), x.writable_column(0).begin());
  DecisionTreeClassifier tree;
  tree.fit(x, std::vector<double>{0, 2, 2, 1, 1, 1});
  const std::vector<double> p = tree.predict_proba(x);
  EXPECT_EQ(std::vector<double>(p.begin(), p.begin() + 3),
            (std::vector<double>{1.0 / 3.0, 0.0, 2.0 / 3.0}));
  EXPECT_EQ(std::vector<double>(p.end() - 3, p.end()), (std::vector<double>{0.0, 1.0, 0.0}));
}

TEST(DecisionTreeClassifier, TakesOneClassAndClassesWithoutARow) {
  const test::Problem problem = test::friedman(30, 3, 3);
  const std::vector<double> zeros(30, 0.0);
  DecisionTreeClassifier one;
  one.fit(problem.x, zeros);
  EXPECT_EQ(one.n_classes(), 1u);
  EXPECT_EQ(one.predict_proba(problem.x), std::vector<double>(30, 1.0));
  RandomForestClassifier more({.n_estimators = 3});
  more.fit({.x = problem.x, .y = zeros, .n_classes = 4}, {});
  EXPECT_EQ(more.n_classes(), 4u);
  const std::vector<double> p = more.predict_proba(problem.x);
  EXPECT_EQ(std::vector<double>(p.begin(), p.begin() + 4), (std::vector<double>{1, 0, 0, 0}));
}

TEST(DecisionTreeClassifier, LearnsAClassWithOneRow) {
  test::Problem problem = classes(200, 4, 3, 3);
  problem.y[17] = 3.0;
  DecisionTreeClassifier tree({.class_weight = "balanced"});
  tree.fit(problem.x, problem.y);
  EXPECT_EQ(tree.predict(problem.x), problem.y);
}

TEST(DecisionTreeClassifier, SplitsWhereNoSingleSplitGainsAnything) {
  data::Matrix x(4, 2);
  const std::vector<double> a = {0, 0, 1, 1};
  const std::vector<double> b = {0, 1, 0, 1};
  std::copy(a.begin(), a.end(), x.writable_column(0).begin());
  std::copy(b.begin(), b.end(), x.writable_column(1).begin());
  const std::vector<double> y = {0, 1, 1, 0};
  for (const char* criterion : {"gini", "entropy"}) {
    DecisionTreeClassifier tree({.criterion = criterion});
    tree.fit(x, y);
    EXPECT_EQ(tree.predict(x), y);
  }
}

TEST(DecisionTreeClassifier, TakesColumnsThatSayNothingAndNumbersBeyondFloat32) {
  test::Problem problem = classes(300, 5, 3, 4);
  for (double& value : problem.x.writable_column(1)) value = kMissing;
  for (double& value : problem.x.writable_column(2)) value = 7.0;
  problem.x.writable_column(0)[5] = 1e308;
  problem.x.writable_column(0)[6] = -1e308;
  for (const char* model : {"decision_tree", "random_forest", "extra_trees"}) {
    const auto estimator = make_estimator(model, {}, data::Task::kClassification);
    estimator->fit(problem.x, problem.y, {.seed = 1});
    const std::vector<double> p = estimator->predict_proba(problem.x);
    for (std::size_t i = 0; i < 300; ++i)
      EXPECT_NEAR(p[3 * i] + p[3 * i + 1] + p[3 * i + 2], 1.0, 1e-12);
  }
}

TEST(DecisionTreeClassifier, RefusesTargetsThatAreNoClasses) {
  const test::Problem problem = test::friedman(10, 2, 1);
  DecisionTreeClassifier tree;
  EXPECT_THROW(tree.fit(problem.x, problem.y), core::InvalidInput);
  EXPECT_FALSE(tree.fitted());
  const std::vector<double> zero_weights(10, 0.0);
  const std::vector<double> y(10, 1.0);
  EXPECT_THROW(tree.fit({.x = problem.x, .y = y, .sample_weight = zero_weights}, {}),
               core::InvalidInput);
  EXPECT_THROW(DecisionTreeClassifier({.criterion = "squared_error"}), core::InvalidArgument);
  EXPECT_THROW(DecisionTreeClassifier({.class_weight = "balanced_subsample"}),
               core::InvalidArgument);
  EXPECT_THROW(DecisionTreeRegressor({.class_weight = "balanced"}), core::InvalidArgument);
}

TEST(DecisionTreeClassifier, BalancesClassesAsWeightsWould) {
  const test::Problem problem = classes(400, 4, 3, 5);
  std::vector<double> count(3, 0.0);
  for (const double y : problem.y) count[static_cast<std::size_t>(y)] += 1.0;
  std::vector<double> weights;
  for (const double y : problem.y)
    weights.push_back(400.0 / (3.0 * count[static_cast<std::size_t>(y)]));
  for (const char* criterion : {"gini", "entropy"}) {
    DecisionTreeClassifier balanced(
        {.criterion = criterion, .max_depth = 6, .class_weight = "balanced"});
    DecisionTreeClassifier weighted({.criterion = criterion, .max_depth = 6});
    balanced.fit(problem.x, problem.y);
    weighted.fit({.x = problem.x, .y = problem.y, .sample_weight = weights}, {});
    EXPECT_EQ(words_of(balanced), words_of(weighted));
  }
}

TEST(RandomForestClassifier, IsTheSameForAnyNumberOfThreads) {
  for (const std::size_t n_classes : {2, 4}) {
    const test::Problem problem = classes(3000, 9, n_classes, 4);
    std::vector<std::uint64_t> first;
    for (const std::size_t cores : {1, 2, 3, 8}) {
      const test::Cores given(cores);
      RandomForestClassifier forest({.n_estimators = 8});
      forest.fit(problem.x, problem.y, {.seed = 5, .max_cores = cores});
      if (first.empty()) first = words_of(forest);
      EXPECT_EQ(words_of(forest), first) << cores << " cores";
    }
  }
}

TEST(RandomForestClassifier, LooksAtTheRootOfTheNumberOfFeaturesUnlessToldOtherwise) {
  EXPECT_EQ(RandomForestClassifier().parameters().at("max_features"), "sqrt");
  EXPECT_EQ(ExtraTreesClassifier().parameters().at("max_features"), "sqrt");
  EXPECT_EQ(DecisionTreeClassifier().parameters().at("max_features"), "none");
  EXPECT_EQ(RandomForestClassifier({.tree = {.max_features = MaxFeatures::all()}})
                .parameters()
                .at("max_features"),
            "none");
}

TEST(RandomForestClassifier, ScoresRowsByTheTreesThatDidNotSeeThem) {
  for (const std::size_t n_classes : {2, 4}) {
    const test::Problem problem = classes(1500, 5, n_classes, 8);
    const test::Problem fresh = classes(1500, 5, n_classes, 9);
    RandomForestClassifier forest({.n_estimators = 50, .oob_score = true});
    forest.fit(problem.x, problem.y);
    const std::vector<double> predicted = forest.predict(fresh.x);
    double right = 0.0;
    for (std::size_t i = 0; i < 1500; ++i) right += predicted[i] == fresh.y[i] ? 1.0 / 1500 : 0.0;
    EXPECT_NEAR(forest.oob_score(), right, 0.04);
    ASSERT_EQ(forest.oob_decision_function().size(), 1500 * n_classes);
    for (std::size_t i = 0; i < 1500; ++i) {
      const auto first =
          forest.oob_decision_function().begin() + static_cast<std::ptrdiff_t>(i * n_classes);
      EXPECT_NEAR(std::accumulate(first, first + static_cast<std::ptrdiff_t>(n_classes), 0.0), 1.0,
                  1e-12);
    }
  }
}

TEST(RandomForestClassifier, OfAWarmStartIsThatOfOneFit) {
  for (const std::size_t n_classes : {2, 4}) {
    const test::Problem problem = classes(300, 5, n_classes, 8);
    const RandomForestOptions options{
        .n_estimators = 9,
        .oob_score = true,
        .tree = {.min_samples_leaf = std::int64_t{3}, .class_weight = "balanced_subsample"}};
    RandomForestOptions first = options;
    first.n_estimators = 2;
    first.warm_start = true;
    RandomForestClassifier warm(first);
    warm.fit(problem.x, problem.y, {.seed = 4});
    warm.set_n_estimators(5);
    warm.fit(problem.x, problem.y, {.seed = 4});
    warm.set_n_estimators(9);
    warm.fit(problem.x, problem.y, {.seed = 4});
    RandomForestClassifier whole(options);
    whole.fit(problem.x, problem.y, {.seed = 4});
    EXPECT_EQ(words_of(warm), words_of(whole));
    EXPECT_EQ(warm.predict_proba(problem.x), whole.predict_proba(problem.x));
    EXPECT_EQ(warm.feature_importances(), whole.feature_importances());
    EXPECT_EQ(warm.oob_score(), whole.oob_score());
    warm.set_n_estimators(8);
    EXPECT_THROW(warm.fit(problem.x, problem.y, {.seed = 4}), core::InvalidArgument);
    warm.set_n_estimators(12);
    EXPECT_THROW(warm.fit(problem.x, problem.y, {.seed = 5}), core::InvalidArgument);
    EXPECT_EQ(warm.nodes().trees(), 9u) << "a refused fit leaves the forest as it was";
  }
}

/// Scores of held-out folds that each seed draws, as make_references.py computes them.
class ForestScores : public testing::TestWithParam<std::size_t> {};

TEST_P(ForestScores, AreWithinTwoStandardErrorsOfScikitLearns) {
  const nlohmann::json table = test::reference("forest_scores.json")[GetParam()];
  const data::Matrix x = test::matrix_of(table["x"]);
  const std::vector<double> y = test::numbers_of(table["y"]);
  const auto task = table["classes"] ? data::Task::kClassification : data::Task::kRegression;
  const RankedMatrix ranked(x);
  for (const auto& expected : table["cases"]) {
    SCOPED_TRACE(expected["model"].get<std::string>() + expected["params"].dump());
    const std::vector<double> theirs = test::numbers_of(expected["scores"]);
    ASSERT_GE(theirs.size(), 20u);
    double mean = 0.0;
    double squares = 0.0;
    const auto seeds = static_cast<double>(theirs.size());
    for (std::size_t seed = 0; seed < theirs.size(); ++seed) {
      const std::string fold = table["folds"][seed];
      double score = 0.0;
      for (char k = '0'; k < '5'; ++k) {
        std::vector<std::uint32_t> train;
        std::vector<std::uint32_t> test;
        std::vector<double> truth;
        for (std::uint32_t i = 0; i < y.size(); ++i) {
          (fold[i] != k ? train : test).push_back(i);
          if (fold[i] == k) truth.push_back(y[i]);
        }
        const auto model = make_estimator(expected["model"].get<std::string>(),
                                          expected["params"].get<ParameterMap>(), task);
        model->fit({.x = x, .y = y, .rows = train, .ranked = &ranked}, {.seed = seed});
        const std::vector<double> seen = model->predict(x, test);
        if (task == data::Task::kRegression) {
          score += r2_score(truth, seen) / 5.0;
        } else {
          double right = 0.0;
          for (std::size_t i = 0; i < truth.size(); ++i) right += truth[i] == seen[i] ? 1.0 : 0.0;
          score += right / static_cast<double>(truth.size()) / 5.0;
        }
      }
      mean += (score - theirs[seed]) / seeds;
      squares += (score - theirs[seed]) * (score - theirs[seed]) / seeds;
    }
    const double standard_error = std::sqrt((squares - mean * mean) / (seeds - 1.0));
    EXPECT_LE(std::abs(mean), 2.0 * standard_error) << mean / standard_error;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Tables, ForestScores, testing::Range(std::size_t{0}, std::size_t{5}),
    [](const testing::TestParamInfo<std::size_t>& param) {
      return test::reference("forest_scores.json")[param.param]["name"].get<std::string>();
    });

}  // namespace
}  // namespace mutirao::models
