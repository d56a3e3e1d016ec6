// Trees grown by rows (classes, few features, drawn thresholds), each node against a plain search.

#include "mutirao/models/internal/row_grower.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "instruction_sets.hpp"
#include "mutirao/models/decision_tree.hpp"
#include "mutirao/models/extra_trees.hpp"
#include "mutirao/models/internal/impurity.hpp"
#include "mutirao/models/internal/node_word.hpp"
#include "mutirao/models/internal/row_tables.hpp"
#include "mutirao/models/internal/tree_grower.hpp"
#include "mutirao/models/random_forest.hpp"
#include "mutirao/models/ranked_matrix.hpp"
#include "mutirao/models/registry.hpp"
#include "reference.hpp"

namespace mutirao::models::internal {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

struct Table {
  data::Matrix x;
  std::vector<double> y;
  std::vector<double> weights;
};

/// Columns of few or many values, some missing, some constant; classes or numbers that depend on
/// them.
Table random_table(std::size_t rows, std::size_t features, std::size_t n_classes, bool missing,
                   std::uint64_t seed) {
  core::RandomStream stream({seed});
  Table table{data::Matrix(rows, features), std::vector<double>(rows), std::vector<double>(rows)};
  for (std::size_t j = 0; j < features; ++j) {
    const std::uint64_t levels = j % 3 == 0 ? 1'000'000 : j % 3 == 1 ? 6 : 1 + stream.below(40);
    for (double& value : table.x.writable_column(j)) {
      value = static_cast<double>(stream.below(levels)) / static_cast<double>(levels);
      if (missing && stream.below(9) == 0) value = kMissing;
    }
  }
  for (std::size_t i = 0; i < rows; ++i) {
    double sum = 0.3 * test::normal(stream);
    for (std::size_t j = 0; j < features; ++j) {
      const double value = table.x.view()(i, j);
      sum += std::isnan(value) ? 0.7 : value * static_cast<double>(1 + j % 2);
    }
    table.y[i] = n_classes == 0 ? sum
                                : std::clamp(std::floor(sum / static_cast<double>(features) *
                                                        static_cast<double>(n_classes)),
                                             0.0, static_cast<double>(n_classes - 1));
    table.weights[i] = 0.25 * static_cast<double>(stream.below(8));
  }
  return table;
}

/// Weighted impurity of rows: weight x gini or entropy, or the sum of squares.
double impurity(const Table& table, const std::vector<std::uint32_t>& rows, Impurity kind,
                std::size_t n_classes) {
  double weight = 0.0;
  std::vector<double> counts(std::max<std::size_t>(1, n_classes));
  double wy = 0.0;
  for (const std::uint32_t row : rows) {
    weight += table.weights[row];
    wy += table.weights[row] * table.y[row];
    if (n_classes != 0) counts[static_cast<std::size_t>(table.y[row])] += table.weights[row];
  }
  if (weight == 0.0) return 0.0;
  double result = 0.0;
  if (kind == Impurity::kSquaredError) {
    for (const std::uint32_t row : rows)
      result += table.weights[row] * std::pow(table.y[row] - wy / weight, 2.0);
  } else if (kind == Impurity::kGini) {
    result = weight;
    for (const double count : counts) result -= count * count / weight;
  } else {
    for (const double count : counts)
      if (count > 0.0) result -= count * std::log2(count / weight);
  }
  return result;
}

class Walker {
 public:
  Walker(const Table& table, const TreeNodes& nodes, Impurity kind, std::size_t n_classes,
         bool drawn)
      : table_(table), nodes_(nodes), kind_(kind), n_classes_(n_classes), drawn_(drawn) {}

  void check() {
    std::vector<std::uint32_t> rows;
    for (std::uint32_t i = 0; i < table_.y.size(); ++i) {
      if (table_.weights[i] > 0.0) rows.push_back(i);
    }
    visit(nodes_.roots()[0].first, nodes_.roots()[0].is_leaf != 0, rows);
  }
  std::size_t inner_nodes() const { return inner_nodes_; }

 private:
  using Rows = std::vector<std::uint32_t>;

  float value(std::uint32_t row, std::size_t j) const {
    return to_float32(table_.x.view()(row, j));
  }

  std::pair<Rows, Rows> divide(const Rows& rows, std::size_t j, float threshold,
                               bool missing_left) const {
    std::pair<Rows, Rows> sides;
    for (const std::uint32_t row : rows) {
      const float v = value(row, j);
      (std::isnan(v) ? missing_left : v <= threshold) ? sides.first.push_back(row)
                                                      : sides.second.push_back(row);
    }
    return sides;
  }

  double fall(const Rows& rows, const std::pair<Rows, Rows>& sides) const {
    return impurity(table_, rows, kind_, n_classes_) -
           impurity(table_, sides.first, kind_, n_classes_) -
           impurity(table_, sides.second, kind_, n_classes_);
  }

  /// The best fall of all cuts; below 0: there is none.
  double best_fall(const Rows& rows) const {
    double best = -1.0;
    for (std::size_t j = 0; j < table_.x.cols(); ++j) {
      std::vector<float> values;
      for (const std::uint32_t row : rows) {
        if (!std::isnan(value(row, j))) values.push_back(value(row, j));
      }
      std::sort(values.begin(), values.end());
      values.erase(std::unique(values.begin(), values.end()), values.end());
      for (const float threshold : values) {
        for (const bool missing_left : {false, true}) {
          const auto sides = divide(rows, j, threshold, missing_left);
          if (sides.first.empty() || sides.second.empty()) continue;
          best = std::max(best, fall(rows, sides));
        }
      }
    }
    return best;
  }

  bool pure(const Rows& rows) const {
    return std::all_of(rows.begin(), rows.end(),
                       [&](std::uint32_t row) { return table_.y[row] == table_.y[rows[0]]; });
  }

  void check_leaf(std::uint64_t word, const Rows& rows) const {
    double weight = 0.0;
    std::vector<double> shares(std::max<std::size_t>(1, n_classes_));
    for (const std::uint32_t row : rows) {
      weight += table_.weights[row];
      if (n_classes_ == 0) {
        shares[0] += table_.weights[row] * table_.y[row];
      } else {
        shares[static_cast<std::size_t>(table_.y[row])] += table_.weights[row];
      }
    }
    for (double& share : shares) share /= weight;
    if (n_classes_ == 0) {
      EXPECT_NEAR(std::bit_cast<double>(word), shares[0], 1e-12);
    } else if (n_classes_ == 2) {
      EXPECT_NEAR(std::bit_cast<double>(word), shares[1], 1e-12);
    } else if (word < n_classes_) {
      EXPECT_EQ(shares[word], 1.0);
    } else {
      for (std::size_t c = 0; c < n_classes_; ++c)
        EXPECT_NEAR(nodes_.distributions()[(word - n_classes_) * n_classes_ + c], shares[c], 1e-12);
    }
  }

  void visit(std::size_t at, bool leaf, const Rows& rows) {
    ASSERT_FALSE(rows.empty());
    const unsigned bits = TreeNodes::feature_bits(nodes_.n_features());
    if (leaf) {
      if (!pure(rows)) {
        EXPECT_LT(best_fall(rows), 0.0) << "a leaf that could be split";
      }
      check_leaf(nodes_.words()[at], rows);
      return;
    }
    ++inner_nodes_;
    EXPECT_FALSE(pure(rows));
    const NodeWord word(nodes_.words()[at]);
    const auto j = static_cast<std::size_t>(word.feature(bits));
    const auto sides = divide(rows, j, word.threshold(), word.missing_left());
    const double found = fall(rows, sides);
    if (drawn_) {
      const auto others = divide(rows, j, word.threshold(), !word.missing_left());
      if (!others.first.empty() && !others.second.empty()) {
        EXPECT_GE(found, fall(rows, others) - 1e-9) << "missing values on the worse side";
      }
    } else {
      EXPECT_NEAR(found, best_fall(rows), 1e-9 * static_cast<double>(table_.y.size()));
    }
    visit(at + 1, word.left_is_leaf(), sides.first);
    visit(at + 1 + word.jump(bits), word.right_is_leaf(), sides.second);
  }

  const Table& table_;
  const TreeNodes& nodes_;
  Impurity kind_;
  std::size_t n_classes_;
  bool drawn_;
  std::size_t inner_nodes_ = 0;
};

TEST(RowGrower, TakesTheBestSplitOfEveryNodeForClasses) {
  for (const std::size_t n_classes : {2, 3, 12}) {
    for (const char* criterion : {"gini", "entropy"}) {
      for (const bool missing : {false, true}) {
        SCOPED_TRACE(std::to_string(n_classes) + criterion + (missing ? " missing" : ""));
        const Table table = random_table(160, 5, n_classes, missing, n_classes);
        DecisionTreeClassifier tree({.criterion = criterion});
        tree.fit(
            {.x = table.x, .y = table.y, .sample_weight = table.weights, .n_classes = n_classes},
            {.seed = 1});
        Walker walker(table, tree.nodes(),
                      std::string(criterion) == "gini" ? Impurity::kGini : Impurity::kEntropy,
                      n_classes, false);
        walker.check();
        EXPECT_GT(walker.inner_nodes(), 10u);
      }
    }
  }
}

TEST(RowGrower, TakesTheBestSplitOfEveryNodeWhereItSortsNodes) {
  // One feature is looked at, of which there is one copy more that never varies.
  for (const bool missing : {false, true}) {
    for (const std::size_t n_classes : {0, 2}) {
      SCOPED_TRACE(missing ? "missing" : "");
      Table table = random_table(500, 4, n_classes, missing, 9);
      for (std::size_t j = 1; j < 4; ++j) {
        for (double& value : table.x.writable_column(j)) value = 2.5;
      }
      const std::string features = "1";
      const auto task = n_classes == 0 ? data::Task::kRegression : data::Task::kClassification;
      const auto forest = make_estimator(
          "random_forest",
          {{"n_estimators", "1"}, {"bootstrap", "false"}, {"max_features", features}}, task);
      forest->fit(
          {.x = table.x, .y = table.y, .sample_weight = table.weights, .n_classes = n_classes},
          {.seed = 1});
      const TreeNodes& nodes = n_classes == 0
                                   ? dynamic_cast<const RandomForestRegressor&>(*forest).nodes()
                                   : dynamic_cast<const RandomForestClassifier&>(*forest).nodes();
      Walker walker(table, nodes, n_classes == 0 ? Impurity::kSquaredError : Impurity::kGini,
                    n_classes, false);
      walker.check();
      EXPECT_GT(walker.inner_nodes(), 40u);
    }
  }
}

TEST(RowGrower, LooksForTheSameSplitsWhetherItSortsNodesOrCarriesLists) {
  // A forest with the features of which one varies: sorted per node where few are looked at.
  test::Problem problem = test::friedman(70000, 4, 12);
  for (std::size_t j = 1; j < 4; ++j) {
    for (double& value : problem.x.writable_column(j)) value = 1.0;
  }
  RandomForestRegressor few({.n_estimators = 1, .tree = {.max_features = MaxFeatures::of(1)}});
  RandomForestRegressor all({.n_estimators = 1});
  few.fit(problem.x, problem.y, {.seed = 3});
  all.fit(problem.x, problem.y, {.seed = 3});
  const test::Problem fresh = test::friedman(2000, 4, 13);
  const std::vector<double> by_few = few.predict(fresh.x);
  const std::vector<double> by_all = all.predict(fresh.x);
  for (std::size_t i = 0; i < 2000; ++i) ASSERT_NEAR(by_few[i], by_all[i], 1e-9);
}

/// What a forest of five classes says, as numbers.
std::vector<std::uint64_t> words_of_classes(const char* model, ParameterMap parameters,
                                            const Table& table, double scale) {
  parameters.emplace("n_estimators", "2");
  std::vector<double> weights = table.weights;
  for (double& weight : weights) weight *= scale;
  const auto forest = make_estimator(model, parameters, data::Task::kClassification);
  forest->fit({.x = table.x, .y = table.y, .sample_weight = weights, .n_classes = 5}, {.seed = 8});
  const auto* random = dynamic_cast<const RandomForestClassifier*>(forest.get());
  const TreeNodes& nodes = random != nullptr
                               ? random->nodes()
                               : dynamic_cast<const ExtraTreesClassifier&>(*forest).nodes();
  std::vector<std::uint64_t> words(nodes.words().begin(), nodes.words().end());
  for (const double share : nodes.distributions())
    words.push_back(std::bit_cast<std::uint64_t>(share));
  return words;
}

TEST(RowGrower, GrowsTheSameTreesOfClassesWhetherWeightsAreWholeNumbersOrNot) {
  // Whole numbers are counted as such, and lists are carried where many features are looked at.
  std::size_t grown = 0;
  for (const bool missing : {false, true}) {
    const Table table = random_table(700, 7, 5, missing, 31);
    for (const char* model : {"random_forest", "extra_trees"}) {
      for (const ParameterMap& parameters :
           {ParameterMap{}, ParameterMap{{"max_features", "1.0"}},
            ParameterMap{{"max_features", "1"}},
            ParameterMap{{"max_features", "1"}, {"min_weight_fraction_leaf", "0.01"}},
            ParameterMap{{"max_features", "3"}, {"min_samples_leaf", "4"}},
            ParameterMap{{"min_weight_fraction_leaf", "0.02"}, {"bootstrap", "false"}},
            ParameterMap{{"ccp_alpha", "0.004"}, {"max_depth", "9"}}}) {
        const auto whole = words_of_classes(model, parameters, table, 4.0);
        EXPECT_EQ(whole, words_of_classes(model, parameters, table, 1.0));
        grown += whole.size();
      }
    }
  }
  EXPECT_GT(grown, 2000u);
}

TEST(RowGrower, GrowsTheSameTreesOfClassesOnEveryInstructionSet) {
  exec::CoreBudget& budget = exec::CoreBudget::current();
  for (const std::size_t n_classes : {3, 14}) {
    Table table = random_table(2500, 7, n_classes, true, 5 * n_classes);
    std::vector<std::uint32_t> rows;
    std::vector<double> weights;
    for (std::uint32_t i = 0; i < 2500; ++i) {
      if (table.weights[i] == 0.0) continue;
      rows.push_back(i);
      weights.push_back(4.0 * table.weights[i]);
    }
    weights[17] = 300.0;  // more than a small node of masks may weigh
    const RankedMatrix ranked(table.x);
    const RowRanks row_ranks(ranked, budget, 1);
    const RowValues row_values(table.x.view(), budget, 1);
    for (const std::size_t max_features : {7, 3, 1}) {
      for (const bool drawn : {false, true}) {
        std::optional<GrownTree> first;
        for (const core::InstructionSet set : instruction_sets()) {
          TreeScratch scratch;
          const GrownTree tree = grow_tree({.x = table.x,
                                            .ranked = &ranked,
                                            .row_ranks = drawn ? nullptr : &row_ranks,
                                            .row_values = drawn ? &row_values : nullptr,
                                            .y = table.y,
                                            .n_classes = n_classes,
                                            .impurity = Impurity::kGini,
                                            .rows = rows,
                                            .weights = weights,
                                            .seed = 9,
                                            .instruction_set = set,
                                            .stop = {}},
                                           {.max_features = max_features}, scratch);
          if (!first) first = tree;
          EXPECT_GT(tree.words.size(), 400u);
          EXPECT_EQ(tree.words, first->words) << name_of(set);
          EXPECT_EQ(tree.distributions, first->distributions) << name_of(set);
          EXPECT_EQ(tree.importances, first->importances) << name_of(set);
        }
      }
    }
  }
}

TEST(RowGrower, GrowsTheSameTreeOfClassesWhereItIsTooLargeForATile) {
  test::Problem problem = test::friedman(70000, 3, 12);
  for (double& value : problem.y) value = value < 5.0 ? 0.0 : value < 15.0 ? 1.0 : 2.0;
  const auto words = [&](double weight) {
    DecisionTreeClassifier tree;
    const std::vector<double> weights(70000, weight);
    tree.fit({.x = problem.x, .y = problem.y, .sample_weight = weights, .n_classes = 3},
             {.seed = 3});
    return std::vector<std::uint64_t>(tree.nodes().words().begin(), tree.nodes().words().end());
  };
  EXPECT_EQ(words(1.0), words(0.5));
}

TEST(RowGrower, DrawsThresholdsWithinANodeAndCountsThemRight) {
  for (const std::size_t n_classes : {0, 2, 5}) {
    for (const bool missing : {false, true}) {
      SCOPED_TRACE(std::to_string(n_classes) + (missing ? " missing" : ""));
      const Table table = random_table(200, 11, n_classes, missing, 20 + n_classes);
      const auto task = n_classes == 0 ? data::Task::kRegression : data::Task::kClassification;
      const auto trees =
          make_estimator("extra_trees", {{"n_estimators", "1"}, {"max_features", "5"}}, task);
      trees->fit(
          {.x = table.x, .y = table.y, .sample_weight = table.weights, .n_classes = n_classes},
          {.seed = 2});
      const TreeNodes& nodes = n_classes == 0
                                   ? dynamic_cast<const ExtraTreesRegressor&>(*trees).nodes()
                                   : dynamic_cast<const ExtraTreesClassifier&>(*trees).nodes();
      Walker walker(table, nodes, n_classes == 0 ? Impurity::kSquaredError : Impurity::kGini,
                    n_classes, true);
      walker.check();
      EXPECT_GT(walker.inner_nodes(), 20u);
    }
  }
}

TEST(Impurity, LogarithmsAreThoseOfTheLibrary) {
  EXPECT_EQ(x_log2_x(0.0), 0.0);
  EXPECT_EQ(x_log2_x(1.0), 0.0);
  EXPECT_EQ(x_log2_x(-1e-300), 0.0);
  for (int exponent = -1000; exponent < 1000; ++exponent)
    EXPECT_EQ(x_log2_x(std::ldexp(1.0, exponent)), std::ldexp(1.0, exponent) * exponent);
  core::RandomStream stream({5});
  for (int i = 0; i < 10000; ++i) {
    const double x = std::exp(40.0 * stream.uniform() - 20.0);
    const double exact = x * std::log2(x);
    EXPECT_NEAR(x_log2_x(x), exact, 4e-16 * (std::abs(exact) + x));
  }
}

}  // namespace
}  // namespace mutirao::models::internal
