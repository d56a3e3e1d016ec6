#include "mutirao/train/predict.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/suggestion.hpp"
#include "mutirao/data/source.hpp"
#include "mutirao/models/model.hpp"
#include "mutirao/train/run_folder.hpp"

namespace mutirao::train {
namespace {

namespace fs = std::filesystem;

const CandidateResult& find_model(const RunResult& result, const std::string& name) {
  std::vector<std::string> names;
  for (const CandidateResult& row : result.leaderboard) {
    if (row.model == name && row.model_file) return row;
    if (row.model == name) {
      throw core::InvalidArgument(
          fmt::format("the model '{}' of {} was not saved: it {}", name, result.run,
                      row.status == CandidateStatus::kCrashed ? "crashed" : "failed"),
          fmt::format("mutirao show {} lists the models", result.run));
    }
    if (row.model_file) names.push_back(row.model);
  }
  throw core::InvalidArgument(fmt::format("the run {} has no model '{}'", result.run, name),
                              core::suggestion(name, names));
}

}  // namespace

std::string model_file_of(const std::string& run_or_model, const std::string& name) {
  std::error_code error;
  if (!fs::exists(run_or_model, error)) {
    throw core::InvalidInput(fmt::format("there is no run and no model {}", run_or_model),
                             "name a run folder or a model file in its models/");
  }
  if (!fs::is_directory(run_or_model, error)) {
    if (name.empty()) return run_or_model;
    throw core::InvalidArgument(
        fmt::format("--model {} goes with a run folder, and {} is a file", name, run_or_model),
        "leave out --model, or name the run folder");
  }
  const RunResult result = read_run(run_or_model);
  if (!name.empty())
    return (fs::path(run_or_model) / *find_model(result, name).model_file).string();
  const CandidateResult* best = best_of(result);
  if (best == nullptr) {
    throw core::InvalidInput(
        fmt::format("the run {} has no model: none was finished", run_or_model), "train again");
  }
  return (fs::path(run_or_model) / *best->model_file).string();
}

Predictions predict(const std::string& model_file, const std::string& data) {
  const models::Model model = models::Model::load(model_file);
  const std::optional<std::string>& id = model.info().id;
  data::ReadOptions options{.allow_no_rows = true, .text_columns = model.encoder().text_columns()};
  if (id) options.text_columns.push_back(*id);  // given back as it stands there
  const data::Table table = data::read_table(data, options);
  Predictions predictions;
  if (id) {
    predictions.table.add(table.at(*id, "id column"));
  }
  const std::vector<double> values = model.predict(table);
  data::Column column = data::number_column(kPrediction, values);
  column.integral = false;
  predictions.table.add(std::move(column));

  const std::vector<std::string> inputs = model.input_columns();
  const std::set<std::string> known(inputs.begin(), inputs.end());
  for (const std::string& name : table.names()) {
    if (!known.contains(name) && name != model.info().target && name != id)
      predictions.ignored.push_back(name);
  }
  return predictions;
}

}  // namespace mutirao::train
