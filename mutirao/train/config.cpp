#include "mutirao/train/config.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/file.hpp"
#include "mutirao/core/suggestion.hpp"
#include "mutirao/models/metrics.hpp"
#include "mutirao/models/registry.hpp"

namespace mutirao::train {
namespace {

const std::vector<std::string> kKeys = {"data",      "target", "task",       "models", "folds",
                                        "test-size", "metric", "seed",       "cores",  "set",
                                        "drop",      "id",     "categorical"};

/// Reads the values of one configuration, and says which one cannot be used.
class KeyReader {
 public:
  KeyReader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  [[noreturn]] void refuse(const std::string& key, const std::string& expected) const {
    throw core::InvalidInput(
        fmt::format("{}: '{}' is {}, not {}", where_, key, json_.at(key).dump(), expected),
        "compare it with the config.json of any run folder");
  }

  void text(const char* key, std::string& out) const {
    if (!json_.contains(key)) return;
    if (!json_[key].is_string()) refuse(key, "a text");
    out = json_[key].get<std::string>();
  }
  void text(const char* key, std::optional<std::string>& out) const {
    std::string found;
    text(key, found);
    if (json_.contains(key)) out = found;
  }
  void texts(const char* key, std::vector<std::string>& out) const {
    if (!json_.contains(key)) return;
    const Json& list = json_[key];
    const bool fits =
        list.is_array() &&
        std::all_of(list.begin(), list.end(), [](const Json& each) { return each.is_string(); });
    if (!fits) refuse(key, "a list of texts");
    out = list.get<std::vector<std::string>>();
  }
  template <class Integer>
  std::optional<Integer> whole_number(const char* key) const {
    if (!json_.contains(key)) return std::nullopt;
    if (!json_[key].is_number_unsigned()) refuse(key, "a whole number of at least 0");
    return json_[key].get<Integer>();
  }
  std::optional<double> number(const char* key) const {
    if (!json_.contains(key)) return std::nullopt;
    if (!json_[key].is_number()) refuse(key, "a number");
    return json_[key].get<double>();
  }
  void settings(const char* key, std::map<std::string, models::ParameterMap>& out) const {
    if (!json_.contains(key)) return;
    const std::string expected = R"(written as {"random_forest": {"n_estimators": 500}})";
    if (!json_[key].is_object()) refuse(key, expected);
    for (const auto& [model, parameters] : json_[key].items()) {
      if (!parameters.is_object()) refuse(key, expected);
      out[model];
      for (const auto& [name, value] : parameters.items()) {
        if (value.is_structured()) refuse(key, expected);
        out[model][name] = value.is_string() ? value.template get<std::string>()
                           : value.is_null() ? "none"
                                             : value.dump();
      }
    }
  }

 private:
  const Json& json_;
  const std::string where_;
};

void check_names_once(const std::vector<std::string>& names) {
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second)
      throw core::InvalidArgument(fmt::format("the model '{}' is named twice", name),
                                  "name each model once");
  }
}

}  // namespace

data::Task task_of(const std::string& name) {
  if (const std::optional<data::Task> task = data::task_named(name)) return *task;
  const std::vector<std::string> known = {"regression", "classification"};
  throw core::InvalidArgument(fmt::format("there is no task '{}'", name),
                              core::suggestion(name, known));
}

std::size_t fold_count(const TrainConfig& config) noexcept {
  return config.test_size ? 1 : config.folds.value_or(kDefaultFolds);
}

void refuse_classification(const std::string& because) {
  throw core::InvalidArgument(
      fmt::format("{}: this version trains regression models only", because),
      "name a target of numbers, and say --task regression if they look like classes");
}

void check(const TrainConfig& config) {
  if (config.data.empty())
    throw core::InvalidArgument("no data is given", "name a file, a glob or a query");
  if (config.target.empty())
    throw core::InvalidArgument("no target is given",
                                "name the column to predict: --target COLUMN");
  for (const std::string& name : config.models) models::find_estimator(name);
  check_names_once(config.models);
  for (const auto& [name, parameters] : config.set) {
    models::make_estimator(name, parameters);
    if (!config.models.empty() &&
        std::find(config.models.begin(), config.models.end(), name) == config.models.end()) {
      throw core::InvalidArgument(
          fmt::format("parameters are set for '{}', which is not among the models", name),
          fmt::format("add it to --models, or leave out --set {}...", name));
    }
  }
  models::find_metric(config.metric);
  if (config.task == data::Task::kClassification) refuse_classification("--task classification");
  if (config.folds && config.test_size)
    throw core::InvalidArgument("both --folds and --test-size are given", "give one of them");
  if (config.folds && *config.folds < 2) {
    throw core::InvalidArgument(fmt::format("--folds must be at least 2, not {}", *config.folds),
                                "for a single split give --test-size 0.2");
  }
  if (config.test_size && !(*config.test_size > 0.0 && *config.test_size < 1.0)) {
    throw core::InvalidArgument(
        fmt::format("--test-size must lie between 0 and 1, not {}", *config.test_size),
        "0.2 tests a fifth of the rows");
  }
  if (config.cores && *config.cores == 0)
    throw core::InvalidArgument("--cores must be at least 1, not 0",
                                "leave it out to use all that this process may");
  for (const auto* list : {&config.drop, &config.categorical}) {
    if (std::find(list->begin(), list->end(), config.target) != list->end()) {
      throw core::InvalidArgument(fmt::format("the target '{}' is also named by {}", config.target,
                                              list == &config.drop ? "--drop" : "--categorical"),
                                  "the target is never a feature: leave it out there");
    }
  }
  if (config.id == kPrediction) {
    throw core::InvalidArgument(
        fmt::format("the id column cannot be named '{}': that is what predictions are called",
                    kPrediction),
        "rename it with a query: SELECT ... AS ...");
  }
  if (config.id == config.target) {
    throw core::InvalidArgument(fmt::format("'{}' is both target and id", config.target),
                                "name another column with --id");
  }
}

std::vector<std::string> candidates_of(const TrainConfig& config) {
  std::vector<std::string> names;
  for (const models::EstimatorInfo& info : models::estimators()) {
    if (info.task != data::Task::kRegression) continue;
    if (config.models.empty() ? info.by_default
                              : std::find(config.models.begin(), config.models.end(), info.name) !=
                                    config.models.end())
      names.push_back(info.name);
  }
  return names;
}

Json to_json(const TrainConfig& config) {
  Json json;
  json["data"] = config.data;
  json["target"] = config.target;
  if (config.task) json["task"] = data::name_of(*config.task);
  if (!config.models.empty()) json["models"] = config.models;
  if (config.folds) json["folds"] = *config.folds;
  if (config.test_size) json["test-size"] = *config.test_size;
  json["metric"] = config.metric;
  json["seed"] = config.seed;
  if (config.cores) json["cores"] = *config.cores;
  for (const auto& [model, parameters] : config.set) {
    json["set"][model] = Json::object();
    for (const auto& [name, value] : parameters) json["set"][model][name] = value;
  }
  if (!config.drop.empty()) json["drop"] = config.drop;
  if (config.id) json["id"] = *config.id;
  if (!config.categorical.empty()) json["categorical"] = config.categorical;
  return json;
}

TrainConfig config_from_json(const Json& json, const std::string& where) {
  if (!json.is_object()) {
    throw core::InvalidInput(fmt::format("{} is not a JSON object", where),
                             "compare it with the config.json of any run folder");
  }
  for (const auto& [key, value] : json.items()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
      throw core::InvalidInput(fmt::format("{}: there is no key '{}'", where, key),
                               core::suggestion(key, kKeys, kKeys.size()));
    }
  }
  const KeyReader read(json, where);
  TrainConfig config;
  read.text("data", config.data);
  read.text("target", config.target);
  std::optional<std::string> task;
  read.text("task", task);
  if (task) config.task = task_of(*task);
  read.texts("models", config.models);
  config.folds = read.whole_number<std::size_t>("folds");
  config.test_size = read.number("test-size");
  read.text("metric", config.metric);
  config.seed = read.whole_number<std::uint64_t>("seed").value_or(0);
  config.cores = read.whole_number<std::size_t>("cores");
  read.settings("set", config.set);
  read.texts("drop", config.drop);
  read.text("id", config.id);
  read.texts("categorical", config.categorical);
  return config;
}

TrainConfig read_config(const std::string& path) {
  const std::string text = core::read_file(path);
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::parse_error& error) {
    // The last byte that was read does not end the line that it is in.
    const std::size_t before = error.byte == 0 ? 0 : std::min(error.byte - 1, text.size());
    const auto line =
        1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(before), '\n');
    throw core::InvalidInput(fmt::format("{}, line {}: this is not JSON", path, line),
                             "compare it with the config.json of any run folder");
  }
  return config_from_json(json, path);
}

}  // namespace mutirao::train
