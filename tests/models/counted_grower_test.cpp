// Trees whose large nodes are counted, against those that are grown on sorted lists throughout.

#include "mutirao/models/internal/counted_grower.hpp"

#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/core/random.hpp"
#include "mutirao/data/matrix.hpp"
#include "mutirao/models/internal/coded_rows.hpp"
#include "mutirao/models/internal/tree_grower.hpp"
#include "mutirao/models/ranked_matrix.hpp"
#include "reference.hpp"

namespace mutirao::models::internal {
namespace {

constexpr std::size_t kRows = 4000;

struct Table {
  data::Matrix x;
  std::vector<double> y;
  std::vector<std::uint32_t> rows;
  std::vector<double> weights;
};

/// Columns of few distinct values, some missing in `missing` of the rows, and a target that depends
/// on them.
Table random_table(std::size_t features, double missing, std::uint64_t seed) {
  core::RandomStream random({seed});
  Table table{.x = data::Matrix(kRows, features),
              .y = std::vector<double>(kRows),
              .rows = {},
              .weights = {}};
  for (std::size_t j = 0; j < features; ++j) {
    const std::uint64_t levels = 2 + random.below(40);
    for (double& value : table.x.writable_column(j)) {
      value = random.uniform() < missing ? std::numeric_limits<double>::quiet_NaN()
                                         : static_cast<double>(random.below(levels)) / 4.0;
    }
  }
  for (std::size_t i = 0; i < kRows; ++i) {
    for (std::size_t j = 0; j < features; ++j) {
      const double value = table.x.view()(i, j);
      table.y[i] += std::isnan(value) ? 1.5 : std::sin(value * static_cast<double>(j + 1));
    }
    table.y[i] += 0.1 * test::normal(random);
    if (random.below(4) == 0) continue;  // rows that the tree does not see
    table.rows.push_back(static_cast<std::uint32_t>(i));
    table.weights.push_back(1.0 + static_cast<double>(random.below(3)));
  }
  return table;
}

GrownTree grow(const Table& table, const RankedMatrix& ranked, const CodedRows* coded,
               const GrowthLimits& limits, exec::CoreBudget* budget = nullptr) {
  TreeScratch scratch;
  const TreeTask task{.x = table.x,
                      .ranked = &ranked,
                      .coded = coded,
                      .y = table.y,
                      .rows = table.rows,
                      .weights = table.weights,
                      .seed = 7,
                      .instruction_set = core::instruction_set(),
                      .stop = {}};
  return grow_tree(task, limits, scratch, budget);
}

std::unique_ptr<const CodedRows> coded_of(const Table& table, const RankedMatrix& ranked) {
  auto coded = CodedRows::make(table.x, ranked, table.rows.size(), exec::CoreBudget::current(), 0);
  EXPECT_NE(coded, nullptr);
  return coded;
}

TEST(CountedGrower, GrowsTheSameTreeAsSortedListsDo) {
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    const std::size_t features = 1 + seed;
    const Table table = random_table(features, 0.0, seed);
    const RankedMatrix ranked(table.x);
    const auto coded = coded_of(table, ranked);
    for (const std::size_t looked_at : {features, (features + 1) / 2}) {
      const GrowthLimits limits{.max_features = looked_at};
      // Targets are distinct, so leaves are single rows, whose values are exact.
      EXPECT_EQ(grow(table, ranked, coded.get(), limits).words,
                grow(table, ranked, nullptr, limits).words)
          << "seed " << seed << ", " << looked_at << " of " << features << " features";
    }
  }
}

TEST(CountedGrower, TriesMissingValuesOnBothSides) {
  for (std::uint64_t seed = 100; seed < 110; ++seed) {
    const Table table = random_table(5, 0.15, seed);
    const RankedMatrix ranked(table.x);
    const auto coded = coded_of(table, ranked);
    for (const std::size_t looked_at : {5, 2}) {
      const GrowthLimits limits{.max_features = looked_at};
      EXPECT_EQ(grow(table, ranked, coded.get(), limits).words,
                grow(table, ranked, nullptr, limits).words)
          << "seed " << seed << ", " << looked_at << " features";
    }
  }
}

TEST(CountedGrower, KeepsToTheLimitsOfATree) {
  const Table table = random_table(6, 0.05, 42);
  const RankedMatrix ranked(table.x);
  const auto coded = coded_of(table, ranked);
  for (const GrowthLimits& limits :
       {GrowthLimits{.max_depth = 3, .max_features = 6},
        GrowthLimits{.min_samples_split = 100, .max_features = 6},
        GrowthLimits{.min_weight_fraction_leaf = 0.01, .max_features = 6},
        GrowthLimits{.max_features = 6, .min_impurity_decrease = 0.001},
        GrowthLimits{.max_features = 6, .ccp_alpha = 0.001}}) {
    const GrownTree counted = grow(table, ranked, coded.get(), limits);
    const GrownTree listed = grow(table, ranked, nullptr, limits);
    ASSERT_EQ(counted.words.size(), listed.words.size());
    ASSERT_EQ(counted.importances.size(), listed.importances.size());
    // Sums of many rows differ in their last bits, being added in another order.
    for (std::size_t j = 0; j < listed.importances.size(); ++j)
      EXPECT_NEAR(counted.importances[j], listed.importances[j], 1e-9);
  }
}

TEST(CountedGrower, LeavesWhatItDoesNotCountToTheLists) {
  const Table table = random_table(4, 0.0, 5);
  const RankedMatrix ranked(table.x);
  const auto coded = coded_of(table, ranked);
  for (const GrowthLimits& limits : {GrowthLimits{.min_samples_leaf = 5, .max_features = 4},
                                     GrowthLimits{.max_features = 4, .max_leaf_nodes = 50}}) {
    EXPECT_EQ(grow(table, ranked, coded.get(), limits).words,
              grow(table, ranked, nullptr, limits).words);
  }
}

TEST(CountedGrower, GrowsTheSameTreeWithAndWithoutThreads) {
  const Table table = random_table(6, 0.1, 9);
  const RankedMatrix ranked(table.x);
  const auto coded = coded_of(table, ranked);
  const GrowthLimits limits{.max_features = 6};
  EXPECT_EQ(grow(table, ranked, coded.get(), limits, &exec::CoreBudget::current()).words,
            grow(table, ranked, coded.get(), limits).words);
}

TEST(CodedRows, AreNotMadeOfColumnsWithManyValues) {
  core::RandomStream random({3});
  data::Matrix x(kRows, 2);
  for (std::size_t j = 0; j < 2; ++j) {
    for (double& value : x.writable_column(j)) value = random.uniform();
  }
  const RankedMatrix ranked(x);
  EXPECT_EQ(CodedRows::make(x, ranked, kRows, exec::CoreBudget::current(), 0), nullptr);
}

TEST(CodedRows, AColumnWithoutAnyValueHasTheSlotOfMissingOnes) {
  data::Matrix x(kRows, 2);
  for (std::size_t i = 0; i < kRows; ++i) {
    x.writable_column(0)[i] = std::numeric_limits<double>::quiet_NaN();
    x.writable_column(1)[i] = static_cast<double>(i % 3);
  }
  const RankedMatrix ranked(x);
  const auto coded = CodedRows::make(x, ranked, kRows, exec::CoreBudget::current(), 0);
  ASSERT_NE(coded, nullptr);
  EXPECT_EQ(coded->slots(), 1U + 4U);
  for (std::size_t i = 0; i < kRows; ++i) {
    EXPECT_EQ(coded->row(i)[0], coded->missing_slot(0));
    EXPECT_EQ(coded->value(coded->row(i)[1]), static_cast<float>(i % 3));
  }
}

}  // namespace
}  // namespace mutirao::models::internal
