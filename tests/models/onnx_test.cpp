// What is exported, predicted with by ONNX Runtime: the same as here.

#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "../data/temporary_folder.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/random.hpp"
#include "mutirao/data/source.hpp"
#include "mutirao/models/blended_model.hpp"
#include "mutirao/models/internal/onnx_trees.hpp"
#include "mutirao/models/onnx.hpp"
#include "mutirao/models/registry.hpp"

namespace mutirao::models {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
const std::string kModules = MUTIRAO_SOURCE_DIR "/third_party/onnxruntime/node_modules";

bool has_onnxruntime() {
  return std::filesystem::exists(kModules + "/onnxruntime-node/package.json") &&
         std::system("node --version >/dev/null 2>&1") == 0;
}

/// A column as the inputs of a graph: dates in seconds, missing texts empty.
Json values_of(const data::Column& column) {
  Json values = Json::array();
  for (std::size_t row = 0; row < column.rows(); ++row) {
    if (column.type == data::ColumnType::kText) {
      values.push_back(column.is_missing(row) ? "" : column.levels[column.codes[row]]);
    } else {
      values.push_back(column.is_missing(row) ? Json() : Json(column.numbers[row]));
    }
  }
  return values;
}

/// Numbers as the texts that categories are called by.
Json texts_of(const data::Column& column) {
  Json values = Json::array();
  for (const double value : column.numbers)
    values.push_back(std::isnan(value) ? "" : std::to_string(static_cast<int>(value)));
  return values;
}

class Onnx : public testing::Test {
 protected:
  /// Fits an estimator on the table; the table to predict for may be another.
  void add(const EstimatorInfo& info, const data::Table& table, const std::string& target,
           const ParameterMap& parameters = {}, std::vector<std::string> categorical = {},
           const data::Table* other = nullptr) {
    std::vector<std::uint32_t> rows(table.rows());
    std::iota(rows.begin(), rows.end(), 0U);
    const data::FeatureEncoder encoder = data::FeatureEncoder::fit(
        table, data::select_features(table, {.target = target, .categorical = categorical}), rows,
        info.encoding);
    ModelInfo about{.target = target, .task = info.task, .training_rows = table.rows()};
    std::vector<double> y(table.at(target).numbers.begin(), table.at(target).numbers.end());
    if (info.task == data::Task::kClassification) {
      about.classes = data::labels_of(table.at(target));
      const auto classes = data::class_indices(table.at(target), about.classes);
      y.assign(classes.begin(), classes.end());
    }
    std::shared_ptr<Estimator> estimator = info.make(parameters);
    const data::Matrix x = encoder.transform(table);
    estimator->fit({.x = x,
                    .y = y,
                    .one_hot_blocks = encoder.one_hot_blocks(),
                    .categories = encoder.category_columns(),
                    .n_classes = about.classes.size()},
                   {.seed = 3});
    add(Model(encoder, std::move(estimator), about), other == nullptr ? table : *other);
  }

  void add(Model model, const data::Table& table) {
    const std::string file =
        folder_.write(std::to_string(models_.size()) + ".onnx", to_onnx(model));
    Json inputs = Json::object();
    for (const auto& feature : model.encoder().features()) {
      const data::Column& column = table.at(feature.column);
      const bool category = feature.type == data::ColumnType::kText && !feature.was_text;
      inputs[feature.column] = category ? texts_of(column) : values_of(column);
    }
    jobs_.push_back({{"model", file}, {"inputs", inputs}});
    tables_.push_back(table);
    models_.push_back(std::move(model));
  }

  /// All models added so far as one, each with its own columns.
  void add_ensemble(const data::Table& table) {
    std::vector<WeightedModel> members;
    for (const Model& each : models_) {
      members.push_back({.model = std::make_shared<const Model>(each),
                         .weight = static_cast<double>(members.size() + 1)});
    }
    add(blended_model(members), table);
  }

  /// Predicts with ONNX Runtime and compares.
  void compare(double tolerance = 1e-6) {
    const std::string jobs = folder_.write("jobs.json", jobs_.dump());
    const std::string answers = folder_.file("answers.json");
    const std::string command = "node '" MUTIRAO_SOURCE_DIR
                                "/tests/models/predict_with_onnxruntime.js' '" +
                                kModules + "' '" + jobs + "' >'" + answers + "'";
    ASSERT_EQ(std::system(command.c_str()), 0);
    std::ifstream stream(answers);
    const Json all = Json::parse(stream);
    ASSERT_EQ(all.size(), models_.size());
    for (std::size_t i = 0; i < models_.size(); ++i) {
      SCOPED_TRACE(std::string(models_[i].name()) + " of " + models_[i].info().target);
      if (models_[i].info().task == data::Task::kRegression) {
        compare_numbers(models_[i].predict(tables_[i]), all[i].at("prediction"), tolerance);
      } else {
        compare_classes(models_[i], tables_[i], all[i], tolerance);
      }
    }
  }

  static void compare_numbers(const std::vector<double>& ours, const Json& theirs,
                              double tolerance) {
    ASSERT_EQ(theirs.size(), ours.size());
    for (std::size_t row = 0; row < ours.size(); ++row) {
      ASSERT_TRUE(theirs[row].is_number()) << "row " << row;
      EXPECT_NEAR(theirs[row].get<double>(), ours[row], tolerance * std::abs(ours[row]))
          << "row " << row;
    }
  }

  static void compare_classes(const Model& model, const data::Table& table, const Json& theirs,
                              double tolerance) {
    const data::ClassLabels& classes = model.info().classes;
    const std::vector<double> ours = model.predict_proba(table);
    const std::vector<double> likeliest = model.predict(table);
    for (std::size_t c = 0; c < classes.size(); ++c) {
      const Json& probability = theirs.at("probability_" + classes.names[c]);
      ASSERT_EQ(probability.size(), table.rows());
      for (std::size_t row = 0; row < table.rows(); ++row) {
        ASSERT_NEAR(probability[row].get<double>(), ours[row * classes.size() + c], tolerance)
            << "row " << row << " class " << classes.names[c];
      }
    }
    for (std::size_t row = 0; row < table.rows(); ++row) {
      const std::string& label = classes.names[static_cast<std::size_t>(likeliest[row])];
      const Json& seen = theirs.at("prediction")[row];
      if (classes.type == data::ColumnType::kText) {
        EXPECT_EQ(seen, label) << "row " << row;
      } else if (classes.type == data::ColumnType::kBoolean) {
        EXPECT_EQ(seen, label == "true" ? 1 : 0) << "row " << row;
      } else {
        EXPECT_EQ(seen.get<double>(), std::stod(label)) << "row " << row;
      }
    }
  }

  data::TemporaryFolder folder_;
  Json jobs_ = Json::array();
  std::vector<Model> models_;
  std::vector<data::Table> tables_;
};

ParameterMap small(const EstimatorInfo& info) {
  ParameterMap parameters;
  for (const ParameterInfo& parameter : info.parameters) {
    if (parameter.name == "n_estimators") parameters["n_estimators"] = "7";
    // Leaves of several classes.
    if (parameter.name == "max_leaf_nodes") parameters["max_leaf_nodes"] = "12";
  }
  return parameters;
}

/// Every kind of column, cells missing in each, and a target of numbers, classes and booleans.
data::Table messy(std::size_t rows, std::uint64_t seed) {
  core::RandomStream stream({seed});
  std::vector<double> number, integer, flag, date, day, y, many, two, three;
  std::vector<std::optional<std::string>> text, levels;
  const auto some = [&](double value) { return stream.below(9) == 0 ? kNaN : value; };
  for (std::size_t i = 0; i < rows; ++i) {
    const double a = 20.0 * stream.uniform() - 10.0;
    number.push_back(some(a));
    integer.push_back(some(static_cast<double>(stream.below(5))));
    flag.push_back(some(static_cast<double>(stream.below(2))));
    date.push_back(some(86400.0 * (static_cast<double>(stream.below(90'000)) - 40'000.0) +
                        static_cast<double>(stream.below(86400))));
    day.push_back(some(86400.0 * static_cast<double>(stream.below(20'000))));
    const std::uint64_t word = stream.below(4 + seed);  // some that are seen in one table only
    text.push_back(stream.below(9) == 0 ? std::nullopt
                                        : std::optional("w\"ord " + std::to_string(word)));
    levels.push_back("level " + std::to_string(stream.below(130)));
    y.push_back(50.0 + 3.0 * a + static_cast<double>(word) + stream.uniform());
    two.push_back(y.back() > 50.0 ? 1.0 : 0.0);
    three.push_back(y.back() > 60.0 ? 2.0 : y.back() > 45.0 ? 0.5 : -1.0);
  }
  data::Table table;
  table.add(data::number_column("a number", number));
  table.add(data::number_column("integer", integer));
  table.add(data::number_column("flag", flag));
  table.add(data::number_column("date", date));
  table.add(data::number_column("day", day));
  table.add(data::text_column("text", text));
  table.add(data::text_column("levels", levels));
  table.add(data::number_column("y", y));
  table.add(data::number_column("two", two));
  table.add(data::number_column("three", three));
  const auto retyped = [&](const char* name, data::ColumnType type) {
    data::Table changed;
    for (data::Column column : table.columns()) {
      if (column.name == name) column.type = type;
      changed.add(std::move(column));
    }
    table = std::move(changed);
  };
  retyped("flag", data::ColumnType::kBoolean);
  retyped("two", data::ColumnType::kBoolean);
  retyped("date", data::ColumnType::kTimestamp);
  retyped("day", data::ColumnType::kTimestamp);
  return table;
}

/// The table without some columns.
data::Table without(const data::Table& table, const std::vector<std::string>& names) {
  data::Table kept;
  for (const data::Column& column : table.columns()) {
    if (std::find(names.begin(), names.end(), column.name) == names.end()) kept.add(column);
  }
  return kept;
}

TEST_F(Onnx, EveryEstimatorPredictsTheSameOnAMessyTable) {
  if (!has_onnxruntime()) GTEST_SKIP() << "no ONNX Runtime: tools/fetch-onnxruntime fetches it";
  const data::Table train = messy(400, 1);
  const data::Table other = messy(300, 2);
  for (const EstimatorInfo& info : estimators()) {
    if (info.name == "k_neighbors") continue;
    if (info.task == data::Task::kRegression) {
      add(info, without(train, {"two", "three"}), "y", small(info), {"integer"}, &other);
    } else {
      add(info, without(train, {"y", "three"}), "two", small(info), {"integer"}, &other);
      add(info, without(train, {"y", "two"}), "three", small(info), {"integer"}, &other);
    }
  }
  compare();
}

TEST_F(Onnx, EnsemblesPredictTheSame) {
  if (!has_onnxruntime()) GTEST_SKIP() << "no ONNX Runtime: tools/fetch-onnxruntime fetches it";
  const data::Table train = messy(400, 1);
  const data::Table other = messy(300, 2);
  for (const char* name : {"decision_tree", "linear_regression", "ridge"}) {
    const EstimatorInfo& info = find_estimator(name);
    add(info, without(train, {"two", "three"}), "y", small(info), {"integer"}, &other);
  }
  add_ensemble(other);
  compare();
  models_.clear(), tables_.clear(), jobs_ = Json::array();
  for (const char* name : {"random_forest", "logistic_regression"}) {
    const EstimatorInfo& info = find_estimator(name, data::Task::kClassification);
    add(info, without(train, {"y", "two"}), "three", small(info), {"integer"}, &other);
  }
  add_ensemble(other);
  compare();
}

TEST_F(Onnx, TheShippedTablesArePredictedTheSame) {
  if (!has_onnxruntime()) GTEST_SKIP() << "no ONNX Runtime: tools/fetch-onnxruntime fetches it";
  const std::string folder = MUTIRAO_SOURCE_DIR "/examples/data/";
  const data::Table diamonds =
      data::read_table("SELECT * FROM '" + folder + "diamonds.csv.gz' LIMIT 1500");
  for (const char* name : {"linear_regression", "random_forest", "gradient_boosting"}) {
    if (name == std::string("gradient_boosting") && !has_estimator(name, data::Task::kRegression))
      continue;
    add(find_estimator(name), diamonds, "price", small(find_estimator(name)));
  }
  for (const auto& [file, target] :
       {std::pair("iris.csv", "species"), {"breast_cancer.csv", "diagnosis"}}) {
    const data::Table table = data::read_table(folder + file);
    for (const char* name : {"logistic_regression", "random_forest", "extra_trees"})
      add(find_estimator(name, data::Task::kClassification), table, target);
  }
  compare();
}

TEST_F(Onnx, AClassWithoutARowHasProbabilityZero) {
  if (!has_onnxruntime()) GTEST_SKIP() << "no ONNX Runtime: tools/fetch-onnxruntime fetches it";
  const data::Table table = without(messy(200, 1), {"two", "text", "levels", "y"});
  std::vector<std::uint32_t> rows(table.rows());
  std::iota(rows.begin(), rows.end(), 0U);
  const data::FeatureEncoder encoder =
      data::FeatureEncoder::fit(table, data::select_features(table, {.target = "three"}), rows,
                                data::Encoding::kStandardized);
  const data::Matrix x = encoder.transform(table);
  for (const double last : {1.0, 3.0}) {  // two classes with rows, and three
    std::vector<double> y;
    for (const double value : table.at("three").numbers)
      y.push_back(value < 0.0 ? 0.0 : value < 1.0 ? last : 1.0);
    auto estimator = make_estimator("logistic_regression", {}, data::Task::kClassification);
    estimator->fit({.x = x, .y = y, .n_classes = 5}, {});
    add(Model(encoder, std::move(estimator),
              {.target = "three", .task = data::Task::kClassification}),
        table);
  }
  compare();
}

TEST_F(Onnx, WhatCannotBeExportedIsNamed) {
  const data::Table table = messy(60, 1);
  const auto complaint = [&](const char* name, const data::Table& from) -> std::string {
    try {
      add(find_estimator(name), from, "y");
    } catch (const core::InvalidInput& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(complaint("k_neighbors", without(table, {"two", "three"})),
            "k_neighbors cannot be exported: ONNX has no operator for it");
  data::Table stacked = without(table, {"two", "three"});
  stacked.add(data::number_column(
      "prediction",
      std::vector<double>(table.at("three").numbers.begin(), table.at("three").numbers.end())));
  EXPECT_EQ(complaint("decision_tree", stacked),
            "the model has a column called 'prediction', and so is one of its predictions");
  EXPECT_EQ(complaint("decision_tree", without(table, {"two", "three"})), "");
}

TEST(OnnxThresholds, PartValuesAsTheirRoundingDoes) {
  core::RandomStream stream({5});
  constexpr float kMost = std::numeric_limits<float>::max();
  std::vector<float> thresholds = {
      0.0F, -0.0F, 1.0F, -1.0F, kMost, -kMost, 1e-45F, -1e-45F, std::numeric_limits<float>::min()};
  for (int i = 0; i < 2000; ++i)
    thresholds.push_back(std::ldexp(static_cast<float>(stream.uniform()) - 0.5F,
                                    static_cast<int>(stream.below(250)) - 125));
  const auto rounded = [](double x) {
    return static_cast<float>(
        std::clamp(x, -static_cast<double>(kMost), static_cast<double>(kMost)));
  };
  for (const float threshold : thresholds) {
    const double at = internal::threshold_of_rounded(threshold);
    const double strict = internal::strict_threshold_of_rounded(threshold);
    std::vector<double> values = {threshold, 1e300, -1e300, kMost, -kMost, 0.0};
    for (const double center : {at, strict}) {
      double up = center, down = center;
      for (int step = 0; step < 3; ++step) {
        values.insert(values.end(), {up, down});
        up = std::nextafter(up, 1e308);
        down = std::nextafter(down, -1e308);
      }
    }
    for (const double x : values) {
      if (!std::isfinite(x)) continue;
      EXPECT_EQ(x <= at, rounded(x) <= threshold) << x << " and " << threshold;
      EXPECT_EQ(x < strict, rounded(x) < threshold) << x << " and " << threshold;
    }
  }
}

}  // namespace
}  // namespace mutirao::models
