#include "mutirao/train/predict.hpp"

#include <algorithm>
#include <filesystem>
#include <set>
#include <span>

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

/// The label of the likeliest class, of equals the first, and the probability of each.
void add_classes(const models::Model& model, const data::Table& table, data::Table& out) {
  const data::ClassLabels& classes = model.info().classes;
  const std::vector<double> probabilities = model.predict_proba(table);
  std::vector<double> likeliest;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const auto of_row = std::span(probabilities).subspan(row * classes.size(), classes.size());
    likeliest.push_back(
        static_cast<double>(std::max_element(of_row.begin(), of_row.end()) - of_row.begin()));
  }
  out.add(data::label_column(kPrediction, classes, likeliest));
  for (std::size_t c = 0; c < classes.size(); ++c) {
    std::vector<double> of_class;
    for (std::size_t row = 0; row < table.rows(); ++row)
      of_class.push_back(probabilities[row * classes.size() + c]);
    data::Column column = data::number_column("probability_" + classes.names[c], of_class);
    column.integral = false;
    out.add(std::move(column));
  }
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
  if (model.info().task == data::Task::kClassification) {
    add_classes(model, table, predictions.table);
  } else {
    data::Column column = data::number_column(kPrediction, model.predict(table));
    column.integral = false;
    predictions.table.add(std::move(column));
  }

  const std::vector<std::string> inputs = model.input_columns();
  const std::set<std::string> known(inputs.begin(), inputs.end());
  for (const std::string& name : table.names()) {
    if (!known.contains(name) && name != model.info().target && name != id)
      predictions.ignored.push_back(name);
  }
  return predictions;
}

}  // namespace mutirao::train
