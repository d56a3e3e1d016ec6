// Writes what the fuzzer begins with: a small model of every estimator.
//
//   make_corpus FOLDER

#include <filesystem>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mutirao/models/model.hpp"
#include "mutirao/models/registry.hpp"

int main(int argc, char** argv) {
  using namespace mutirao;
  if (argc != 2) return 2;
  constexpr std::size_t kRows = 24;
  std::vector<double> number(kRows);
  std::vector<double> target(kRows);
  std::vector<std::optional<std::string>> text(kRows);
  for (std::size_t i = 0; i < kRows; ++i) {
    number[i] = static_cast<double>(i * 7 % 11);
    target[i] = static_cast<double>(i * 5 % 3);
    text[i] = i % 3 == 0 ? "Ideal" : "Good";
  }
  data::Table table;
  table.add(data::number_column("x", number));
  table.add(data::text_column("cut", text));
  table.add(data::number_column("y", target));
  std::vector<std::uint32_t> rows(kRows);
  std::iota(rows.begin(), rows.end(), 0U);
  for (const models::EstimatorInfo& info : models::estimators()) {
    for (const data::Task task : {data::Task::kRegression, data::Task::kClassification}) {
      std::shared_ptr<models::Estimator> estimator;
      const bool forest = info.name.find("forest") != std::string::npos;
      try {
        estimator = models::make_estimator(
            info.name,
            forest ? models::ParameterMap{{"n_estimators", "3"}} : models::ParameterMap{}, task);
      } catch (const core::Error&) {
        continue;  // not for this task
      }
      data::FeatureEncoder encoder = data::FeatureEncoder::fit(
          table, data::select_features(table, {.target = "y"}), rows, info.encoding);
      const data::Matrix x = encoder.transform(table);
      estimator->fit({.x = x, .y = target, .one_hot_blocks = encoder.one_hot_blocks()}, {});
      models::Model(encoder, estimator, {.target = "y", .task = task, .training_rows = kRows})
          .save(std::filesystem::path(argv[1]) /
                (std::string(info.name) + "_" + std::string(data::name_of(task)) + ".mutirao"));
    }
  }
}
