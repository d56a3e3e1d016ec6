// Categories: what order their levels get, and that trees do with them what they do with numbers in
// that order.

#include "mutirao/models/level_orders.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/models/blend.hpp"
#include "mutirao/models/internal/level_effects.hpp"
#include "mutirao/models/internal/sections.hpp"
#include "mutirao/models/random_forest.hpp"
#include "mutirao/models/ranked_matrix.hpp"
#include "mutirao/models/registry.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

using testing::ElementsAre;
using testing::IsNan;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

LevelOrders learned(const TrainingSet& training, std::size_t n_classes = 0) {
  return internal::learn_level_orders(training, internal::weighted_rows(training), n_classes,
                                      exec::CoreBudget::current(), 0);
}

/// A number, a category whose effects are those given, and another category. The number goes with
/// the first, so that the mean target of a level says little of its effect.
struct Table {
  explicit Table(const std::vector<double>& effects, std::size_t rows = 6000)
      : x(rows, 3), y(rows) {
    core::RandomStream random({effects.size(), rows});
    for (std::size_t i = 0; i < rows; ++i) {
      const std::size_t level = random.below(effects.size());
      const std::size_t other = random.below(4);
      const double number = -1.5 * effects[level] + 4.0 * random.uniform() - 2.0;
      x.writable_column(0)[i] = number;
      x.writable_column(1)[i] = static_cast<double>(level);
      x.writable_column(2)[i] = static_cast<double>(other);
      y[i] = number + effects[level] + 0.3 * static_cast<double>(other % 2) +
             0.1 * test::normal(random);
    }
  }

  TrainingSet training() const { return {.x = x, .y = y, .categories = {1, 2}}; }
  /// 0 or 1, or one of three along a line.
  std::vector<double> classes(double from, double to) const {
    std::vector<double> result;
    for (const double value : y)
      result.push_back((value > from ? 1.0 : 0.0) + (value > to ? 1.0 : 0.0));
    return result;
  }

  data::Matrix x;
  std::vector<double> y;
};

const std::vector<double> kEffects = {0.0, 2.0, -1.0, 1.0, -2.0};

TEST(LevelOrders, AreThoseOfEffectsBesideTheOtherColumns) {
  const Table table(kEffects);
  const LevelOrders levels = learned(table.training());
  ASSERT_EQ(levels.columns().size(), 2u);
  EXPECT_EQ(levels.columns()[0].column, 1u);
  EXPECT_THAT(levels.columns()[0].positions, ElementsAre(2, 4, 1, 3, 0));
  // Levels 0 and 2, 1 and 3 are alike.
  const std::vector<float>& other = levels.columns()[1].positions;
  EXPECT_LT(std::max(other[0], other[2]), std::min(other[1], other[3]));
  EXPECT_EQ(levels.of(0), nullptr);
  EXPECT_EQ(levels.of(1), &levels.columns()[0]);
  EXPECT_EQ(levels.of(3), nullptr);
}

TEST(LevelOrders, OfClassesToo) {
  const Table table(kEffects);
  TrainingSet training = table.training();
  const std::vector<double> two = table.classes(0.5, 1e9);
  training.y = two;
  EXPECT_THAT(learned(training, 2).columns()[0].positions, ElementsAre(2, 4, 1, 3, 0));
  const std::vector<double> three = table.classes(-0.7, 1.5);
  training.y = three;
  const std::vector<float> positions = learned(training, 3).columns()[0].positions;
  // A direction has no beginning.
  if (positions[1] == 4.0F) {
    EXPECT_THAT(positions, ElementsAre(2, 4, 1, 3, 0));
  } else {
    EXPECT_THAT(positions, ElementsAre(2, 0, 3, 1, 4));
  }
}

TEST(LevelOrders, ARareLevelIsDrawnToTheMean) {
  data::Matrix x(201, 1);
  std::vector<double> y(201, 0.0);
  for (std::size_t i = 0; i < 100; ++i) {
    x.writable_column(0)[i] = 1.0;  // a hundred rows of 1
    y[i] = 1.0;
  }
  x.writable_column(0)[200] = 2.0;  // one row of 5
  y[200] = 5.0;
  EXPECT_THAT(learned({.x = x, .y = y, .categories = {0}}).columns()[0].positions,
              ElementsAre(0, 2, 1));
}

TEST(LevelOrders, LevelsWithoutTrainingRowsAreNone) {
  Table table(kEffects);
  TrainingSet training = table.training();
  std::vector<double> weights(table.y.size(), 2.0);
  std::vector<std::uint32_t> rows;
  for (std::uint32_t i = 0; i < table.y.size(); ++i) {
    const double level = table.x.view()(i, 1);
    if (level == 3.0) weights[i] = 0.0;
    if (level != 0.0) rows.push_back(i);
  }
  training.rows = rows;
  training.sample_weight = weights;
  const LevelOrders levels = learned(training);
  EXPECT_THAT(levels.columns()[0].positions, ElementsAre(IsNan(), 2, 1, IsNan(), 0));
  // Of no effect, as no row was missing: only level 1 is above the mean.
  EXPECT_EQ(levels.columns()[0].otherwise, 1.5F);
  for (std::size_t i = 0; i < 500; ++i) table.x.writable_column(1)[i] = kNaN;
  EXPECT_THAT(learned(training).columns()[0].otherwise, IsNan());
}

TEST(LevelOrders, AnythingButACodeIsSeenOtherwise) {
  for (const float otherwise : {kNaN, 0.5F}) {
    const LevelOrders::Column levels{
        .column = 0, .positions = {1.0F, kNaN, 0.0F}, .otherwise = otherwise};
    EXPECT_EQ(levels.position(2.0), 0.0F);
    for (const double none :
         {-1.0, 0.5, 1.0, 3.0, 1e300, double{kNaN}, std::numeric_limits<double>::infinity()}) {
      const float seen = levels.position(none);
      EXPECT_TRUE(seen == otherwise || (std::isnan(seen) && std::isnan(otherwise))) << none;
    }
  }
}

TEST(LevelOrders, OfManyLevelsAreLearnedOnWhatTheOthersLeave) {
  std::vector<double> effects(300);
  for (std::size_t level = 0; level < effects.size(); ++level)
    effects[level] = static_cast<double>(level * 7 % 300) / 100.0;
  const Table table(effects, 60000);
  const std::vector<float> positions = learned(table.training()).columns()[0].positions;
  // The number takes a part of them, and they are not quite exact.
  for (std::size_t a = 0; a < effects.size(); ++a) {
    for (std::size_t b = 0; b < effects.size(); ++b) {
      if (effects[a] + 0.5 < effects[b]) {
        ASSERT_LT(positions[a], positions[b]);
      }
    }
  }
}

TEST(LevelOrders, DoNotDependOnThreads) {
  const Table table(kEffects, 1000);
  TrainingSet training = table.training();
  const std::vector<double> classes = table.classes(-0.7, 1.5);
  training.y = classes;
  const test::Cores one(1);
  const LevelOrders alone = learned(training, 3);
  const test::Cores three(3);
  EXPECT_TRUE(learned(training, 3) == alone);
}

TEST(LevelOrders, RefuseWhatIsNoCategory) {
  const Table table(kEffects, 100);
  const auto complaint = [&](std::vector<std::size_t> categories) -> std::string {
    TrainingSet training = table.training();
    training.categories = std::move(categories);
    try {
      learned(training);
    } catch (const core::Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(complaint({3}), "column 3 is named as a category, and x has 3 columns");
  EXPECT_EQ(complaint({1, 1}), "column 1 is named as a category, and x has 3 columns");
  EXPECT_THAT(complaint({0}), testing::StartsWith("column 0 is a category, and row 0 has "));
}

TEST(LevelOrders, OfAColumnWithoutValuesAreNone) {
  data::Matrix x(10, 1);
  std::vector<double> y(10, 0.0);
  for (double& value : x.writable_column(0)) value = kNaN;
  const LevelOrders levels = learned({.x = x, .y = y, .categories = {0}});
  EXPECT_TRUE(levels.columns()[0].positions.empty());
}

/// What trees see: codes by their positions.
data::Matrix recoded(const data::Matrix& x, const LevelOrders& levels) {
  data::Matrix result(x.rows(), x.cols());
  for (std::size_t j = 0; j < x.cols(); ++j) {
    for (std::size_t i = 0; i < x.rows(); ++i) {
      const double value = x.view()(i, j);
      result.writable_column(j)[i] =
          levels.of(j) == nullptr ? value : double{levels.of(j)->position(value)};
    }
  }
  return result;
}

TEST(LevelOrders, RanksAreThoseOfPositions) {
  Table table(kEffects, 500);
  for (std::size_t i = 0; i < 500; i += 7) table.x.writable_column(1)[i] = kNaN;
  const LevelOrders levels({{.column = 1, .positions = {2.0F, kNaN, 0.0F, kNaN, 1.0F}}});
  const RankedMatrix ranked(RankedMatrix(table.x), table.x, levels);
  const data::Matrix other = recoded(table.x, levels);
  const RankedMatrix expected(other);
  for (std::size_t j = 0; j < 3; ++j) {
    EXPECT_EQ(ranked.missing(j), expected.missing(j));
    const std::size_t present = 500 - ranked.missing(j);
    EXPECT_TRUE(std::equal(ranked.order(j).begin(),
                           ranked.order(j).begin() + static_cast<std::ptrdiff_t>(present),
                           expected.order(j).begin()));
    // The missing ones in any order.
    auto rest = std::vector<std::uint32_t>(
        ranked.order(j).begin() + static_cast<std::ptrdiff_t>(present), ranked.order(j).end());
    auto wanted = std::vector<std::uint32_t>(
        expected.order(j).begin() + static_cast<std::ptrdiff_t>(present), expected.order(j).end());
    if (!rest.empty()) {
      EXPECT_NE(rest[0] & RankedMatrix::kNewValue, 0U);
    }
    for (auto* list : {&rest, &wanted}) {
      for (std::uint32_t& row : *list) row &= ~RankedMatrix::kNewValue;
      std::sort(list->begin(), list->end());
    }
    EXPECT_EQ(rest, wanted);
  }
}

std::vector<std::byte> sections_of(const Estimator& estimator) {
  SectionWriter writer;
  estimator.save(writer);
  std::vector<std::byte> bytes;
  for (const auto& section : writer.sections()) {
    if (section.name.starts_with("level_")) continue;
    bytes.insert(bytes.end(), section.bytes.begin(), section.bytes.end());
  }
  return bytes;
}

class TreesWithCategories : public testing::TestWithParam<std::string> {};

TEST_P(TreesWithCategories, GrowAsOnThePositions) {
  // Deep enough for every way in which nodes are grown; a category with missing values.
  Table table(kEffects, 3000);
  for (std::size_t i = 0; i < 3000; i += 11) table.x.writable_column(1)[i] = kNaN;
  const RankedMatrix ranks(table.x);
  for (const EstimatorInfo& info : estimators()) {
    if (info.name != GetParam() || info.encoding != data::Encoding::kCodes) continue;
    std::vector<double> y = table.y;
    std::size_t n_classes = 0;
    if (info.task == data::Task::kClassification) {
      y = table.classes(-0.7, 1.5);
      n_classes = 3;
    }
    for (const char* max_features : {"1.0", "1"}) {
      ParameterMap parameters;
      for (const ParameterInfo& each : info.parameters) {
        if (each.name == "n_estimators") parameters["n_estimators"] = "3";
        if (each.name == "max_features") parameters["max_features"] = max_features;
      }
      const auto with = info.make(parameters);
      with->fit({.x = table.x, .y = y, .ranked = &ranks, .categories = {1, 2}}, {.seed = 4});
      TrainingSet training{.x = table.x, .y = y, .categories = {1, 2}};
      const data::Matrix seen = recoded(table.x, learned(training, n_classes));
      const auto plain = info.make(parameters);
      plain->fit(seen, y, {.seed = 4});
      EXPECT_EQ(sections_of(*with), sections_of(*plain));
      EXPECT_EQ(with->predict(table.x), plain->predict(seen));
      // One row goes another way than many.
      const std::vector<std::uint32_t> one = {17};
      EXPECT_EQ(with->predict(table.x, one), plain->predict(seen, one));

      SectionWriter writer;
      with->save(writer);
      const auto loaded = info.make(parameters);
      loaded->load(SectionReader(writer.sections(), nullptr));
      EXPECT_EQ(loaded->predict(table.x), with->predict(table.x));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(LevelOrders, TreesWithCategories,
                         testing::Values("decision_tree", "random_forest", "extra_trees",
                                         "gradient_boosting"),
                         [](const auto& info) { return info.param; });

TEST(LevelOrders, WarmStartGrowsOnTheSameOrders) {
  const Table table(kEffects, 400);
  RandomForestRegressor::Options options;
  options.n_estimators = 5;
  RandomForestRegressor whole(options);
  whole.fit(table.training(), {.seed = 2});
  options.n_estimators = 2;
  options.warm_start = true;
  RandomForestRegressor grown(options);
  grown.fit(table.training(), {.seed = 2});
  grown.set_n_estimators(5);
  grown.fit(table.training(), {.seed = 2});
  EXPECT_EQ(grown.predict(table.x), whole.predict(table.x));
  Table other = table;
  for (double& y : other.y) y = -y;
  grown.set_n_estimators(6);
  EXPECT_THROW(grown.fit(other.training(), {.seed = 2}), core::InvalidArgument);
  EXPECT_EQ(grown.predict(table.x), whole.predict(table.x));
}

TEST(LevelOrders, OutOfBagScoresSeeThem) {
  const Table table(kEffects, 2000);
  RandomForestRegressor::Options options;
  options.n_estimators = 30;
  options.oob_score = true;
  RandomForestRegressor forest(options);
  forest.fit(table.training(), {.seed = 2});
  EXPECT_GT(forest.oob_score(), 0.95);
}

TEST(LevelOrders, MembersOfABlendHaveThoseOfTheirColumns) {
  const Table table(kEffects, 400);
  std::vector<BlendMember> members;
  for (const std::size_t first : {0, 1}) {
    members.push_back(
        {.label = "tree" + std::to_string(first),
         .estimator = find_estimator("decision_tree", data::Task::kRegression).make({}),
         .weight = 0.5,
         .first_column = first,
         .n_columns = 2});
  }
  Blend blend(members);
  blend.fit(table.training(), {});
  const auto alone = find_estimator("decision_tree", data::Task::kRegression).make({});
  const data::MatrixView last_two{table.x.column(1).data(), 400, 2, 400};
  alone->fit({.x = last_two, .y = table.y, .categories = {0, 1}}, {});
  EXPECT_EQ(blend.members()[1].estimator->predict(last_two), alone->predict(last_two));
  EXPECT_EQ(sections_of(*blend.members()[1].estimator), sections_of(*alone));
}

TEST(LevelOrders, OfAFileAreCheckedWhenLoaded) {
  const auto loads = [](std::vector<std::uint64_t> columns, std::vector<float> positions) {
    SectionWriter writer;
    writer.keep("level_columns", std::span<const std::uint64_t>(columns));
    writer.keep("level_positions", std::span<const float>(positions));
    internal::load_levels(SectionReader(writer.sections(), nullptr), 4);
  };
  EXPECT_NO_THROW(loads({1, 2, 3, 1}, {0.0F, kNaN, -0.5F, 0.0F, kNaN}));
  EXPECT_THROW(loads({1}, {}), core::CorruptFile);
  EXPECT_THROW(loads({4, 1}, {0.0F, kNaN}), core::CorruptFile);
  EXPECT_THROW(loads({3, 1, 1, 1}, {0.0F, kNaN, 0.0F, kNaN}), core::CorruptFile);
  EXPECT_THROW(loads({1, 2}, {0.0F, kNaN}), core::CorruptFile);
  EXPECT_THROW(loads({1, 1}, {0.0F, 1.0F, kNaN}), core::CorruptFile);
  EXPECT_THROW(loads({1, ~std::uint64_t{0}}, {0.0F}), core::CorruptFile);
  constexpr float kInfinite = std::numeric_limits<float>::infinity();
  EXPECT_THROW(loads({1, 1}, {kInfinite, kNaN}), core::CorruptFile);
  EXPECT_THROW(loads({1, 1}, {0.0F, kInfinite}), core::CorruptFile);
}

}  // namespace
}  // namespace mutirao::models
