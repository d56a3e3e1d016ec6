// Writes what the fuzzer begins with: a small model of every estimator, on columns of every kind,
// and ensembles of three.
//
//   make_corpus FOLDER

#include <filesystem>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "mutirao/models/blended_model.hpp"
#include "mutirao/models/model.hpp"
#include "mutirao/models/registry.hpp"

namespace {

using namespace mutirao;

constexpr std::size_t kRows = 24;

data::Table some_table() {
  std::vector<double> number(kRows);
  std::vector<double> date(kRows);
  std::vector<std::optional<std::string>> text(kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    number[i] = static_cast<double>(i * 7 % 11);
    date[i] = static_cast<double>(i * 5 % 13) * 1e6;
    text[i] = i % 3 == 0 ? "Ideal" : "Good";
  }
  number[4] = date[9] = std::numeric_limits<double>::quiet_NaN();
  text[11] = std::nullopt;
  data::Table table;
  table.add(data::number_column("x", number));
  table.add(data::text_column("cut", text));
  data::Column sold = data::number_column("sold", date);
  sold.type = data::ColumnType::kTimestamp;
  table.add(std::move(sold));
  return table;
}

/// Few trees.
models::ParameterMap parameters_of(const models::EstimatorInfo& info) {
  models::ParameterMap parameters;
  for (const models::ParameterInfo& parameter : info.parameters) {
    if (parameter.name == "n_estimators") parameters["n_estimators"] = "3";
    // Leaves of several classes.
    if (parameter.name == "max_leaf_nodes") parameters["max_leaf_nodes"] = "5";
  }
  return parameters;
}

models::Model ensemble_of(const std::vector<std::filesystem::path>& paths) {
  std::vector<models::WeightedModel> members;
  for (const std::filesystem::path& path : paths)
    members.push_back({.model = std::make_shared<const models::Model>(models::Model::load(path))});
  return models::blended_model(members);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const data::Table table = some_table();
  std::vector<std::uint32_t> rows(kRows);
  std::iota(rows.begin(), rows.end(), 0U);
  for (const models::EstimatorInfo& info : models::estimators()) {
    const bool regression = info.task == data::Task::kRegression;
    for (const std::size_t classes :
         regression ? std::vector<std::size_t>{0} : std::vector<std::size_t>{2, 3}) {
      std::vector<double> y(kRows);
      for (std::size_t i = 0; i < kRows; ++i)
        y[i] = static_cast<double>(i * 5 % (regression ? 7 : classes));
      const data::FeatureEncoder encoder =
          data::FeatureEncoder::fit(table, {.features = table.names()}, rows, info.encoding);
      const data::Matrix x = encoder.transform(table);
      std::shared_ptr<models::Estimator> estimator = info.make(parameters_of(info));
      estimator->fit({.x = x,
                      .y = y,
                      .one_hot_blocks = encoder.one_hot_blocks(),
                      .categories = encoder.category_columns()},
                     {});
      const std::string name =
          info.name + (regression ? "" : fmt::format("_{}_classes", classes)) + ".mutirao";
      models::Model(encoder, estimator, {.target = "y", .task = info.task, .training_rows = kRows})
          .save(std::filesystem::path(argv[1]) / name);
    }
  }
  const std::filesystem::path folder = argv[1];
  ensemble_of({folder / "decision_tree.mutirao", folder / "ridge.mutirao",
               folder / "gradient_boosting.mutirao"})
      .save(folder / "ensemble.mutirao");
  for (const std::string classes : {"_2_classes", "_3_classes"}) {
    ensemble_of({folder / ("decision_tree" + classes + ".mutirao"),
                 folder / ("logistic_regression" + classes + ".mutirao"),
                 folder / ("k_neighbors" + classes + ".mutirao")})
        .save(folder / ("ensemble" + classes + ".mutirao"));
  }
}
