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
#include "mutirao/train/candidates.hpp"

namespace mutirao::train {
namespace {

const std::vector<std::string> kKeys = {
    "data", "target", "task",        "models",       "folds", "test-size", "metric",
    "seed", "cores",  "time-limit",  "memory-limit", "set",   "search",    "ensemble",
    "drop", "id",     "categorical", "weight",       "group", "time",      "positive"};
constexpr const char* kAllModels = "all";
constexpr std::size_t kMostDraws = 100'000;
constexpr double kLongestTime = 1e8;                // seconds
constexpr std::uint64_t kLeastMemory = 16'000'000;  // bytes: an empty process

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
  void flag(const char* key, bool& out) const {
    if (!json_.contains(key)) return;
    if (!json_[key].is_boolean()) refuse(key, "true or false");
    out = json_[key].get<bool>();
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
      throw core::InvalidArgument(
          fmt::format("the model '{}' is named twice", name),
          "name each model once, or give it names: small=random_forest,big=random_forest");
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

namespace {

/// The options that name columns, with what they name.
std::vector<std::pair<const char*, std::vector<std::string>>> columns_by_option(
    const TrainConfig& config) {
  const auto list = [](const std::optional<std::string>& name) {
    return name ? std::vector<std::string>{*name} : std::vector<std::string>{};
  };
  return {{"--drop", config.drop},         {"--categorical", config.categorical},
          {"--id", list(config.id)},       {"--weight", list(config.weight)},
          {"--group", list(config.group)}, {"--time", list(config.time)}};
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void check_columns(const TrainConfig& config) {
  for (const auto& [option, names] : columns_by_option(config)) {
    if (!contains(names, config.target)) continue;
    throw core::InvalidArgument(
        fmt::format("the target '{}' is also named by {}", config.target, option),
        fmt::format("the target has no other part: name another column with {}", option));
  }
  const auto both = [&](const std::string& name, const char* one, const char* other) {
    throw core::InvalidArgument(
        fmt::format("'{}' is named by {} and by {}", name, one, other),
        fmt::format("name it with one of them: what {} names is no feature", one));
  };
  for (const auto& [option, name] :
       {std::pair("--weight", config.weight), std::pair("--group", config.group)}) {
    if (name && contains(config.categorical, *name)) both(*name, option, "--categorical");
  }
  if (config.weight && config.weight == config.group) both(*config.weight, "--weight", "--group");
  if (config.weight && config.weight == config.time) both(*config.weight, "--weight", "--time");
  if (config.group && config.time) {
    throw core::InvalidArgument("both --group and --time are given",
                                "give one of them: groups may cross in time");
  }
  if (config.id == kPrediction) {
    throw core::InvalidArgument(
        fmt::format("the id column cannot be named '{}': that is what predictions are called",
                    kPrediction),
        "rename it with a query: SELECT ... AS ...");
  }
}

void check_division(const TrainConfig& config) {
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
}

/// Every model that is named must be there for some task.
void check_models(const TrainConfig& config) {
  if (config.models == std::vector<std::string>{kAllModels}) return;
  std::vector<std::string> labels;
  for (const std::string& text : config.models) {
    if (text == kAllModels) {
      throw core::InvalidArgument("'all' stands among other models",
                                  "give --models all, or name the models");
    }
    labels.push_back(candidate_named(text).label);
  }
  check_names_once(labels);
  if (labels == std::vector<std::string>{kBaseline}) {
    throw core::InvalidArgument("no model is named besides the baseline",
                                "every run trains the baseline: name what is to be compared to it");
  }
}

/// Each must fit its model for some task.
void check_parameters(const TrainConfig& config) {
  for (const auto& [label, parameters] : config.set) {
    const std::string name = estimator_of(config, label);
    const bool regression = models::has_estimator(name, data::Task::kRegression);
    const bool classification = models::has_estimator(name, data::Task::kClassification);
    try {
      models::make_estimator(name, parameters,
                             regression ? data::Task::kRegression : data::Task::kClassification);
    } catch (const core::InvalidArgument&) {
      if (!regression || !classification) throw;
      models::make_estimator(name, parameters, data::Task::kClassification);
    }
  }
}

void check_is_trained(const std::string& name, const std::vector<CandidateName>& models) {
  const bool found = std::any_of(models.begin(), models.end(),
                                 [&](const CandidateName& each) { return each.label == name; });
  if (name == kBaseline || found) return;
  throw core::InvalidArgument(
      fmt::format("parameters are set for '{}', which is not among the models", name),
      fmt::format("add it to --models, or leave out --set {}...", name));
}

/// Something must be there to search.
void check_search(const TrainConfig& config, data::Task task) {
  if (!config.search) return;
  std::string names;
  for (const CandidateName& name : candidates_of(config, task)) {
    if (!space_of(config, name, task).empty()) return;
    if (name.label != kBaseline) names += (names.empty() ? "" : ", ") + name.label;
  }
  throw core::InvalidArgument(
      fmt::format("--search {}: an empty search space: there is nothing to search of {}",
                  *config.search, names),
      "leave out --search, set fewer parameters with --set, or name other --models");
}

}  // namespace

void check(const TrainConfig& config) {
  if (config.data.empty())
    throw core::InvalidArgument("no data is given", "name a file, a glob or a query");
  if (config.target.empty())
    throw core::InvalidArgument("no target is given",
                                "name the column to predict: --target COLUMN");
  check_models(config);
  check_parameters(config);
  if (!config.models.empty() && config.models.front() != kAllModels) {
    std::vector<CandidateName> names;
    for (const std::string& text : config.models) names.push_back(candidate_named(text));
    for (const auto& each : config.set) check_is_trained(each.first, names);
  }
  if (config.search && (*config.search < 2 || *config.search > kMostDraws)) {
    throw core::InvalidArgument(
        fmt::format("--search must be from 2 to {} draws, not {}", kMostDraws, *config.search),
        "the first draw is the defaults: give 20 for 19 others");
  }
  if (config.metric) models::has_metric(*config.metric, data::Task::kRegression);
  if (config.task) check_for(config, *config.task);
  check_division(config);
  if (config.cores && *config.cores == 0)
    throw core::InvalidArgument("--cores must be at least 1, not 0",
                                "leave it out to use all that this process may");
  if (config.time_limit && !(*config.time_limit > 0.0 && *config.time_limit < kLongestTime)) {
    throw core::InvalidArgument(
        fmt::format("--time-limit must be more than 0 seconds, not {}", *config.time_limit),
        "write it as 90s, 10m or 1.5h");
  }
  if (config.memory_limit && *config.memory_limit < kLeastMemory) {
    throw core::InvalidArgument(
        fmt::format("--memory-limit must be at least 16 MB, not {} bytes", *config.memory_limit),
        "write it as 500MB or 4GB");
  }
  check_columns(config);
}

void check_for(const TrainConfig& config, data::Task task) {
  if (!config.models.empty() && config.models.front() != kAllModels) {
    for (const std::string& text : config.models)
      models::find_estimator(candidate_named(text).estimator, task);
  }
  for (const auto& [name, parameters] : config.set) {
    models::make_estimator(estimator_of(config, name), parameters, task);
    check_is_trained(name, candidates_of(config, task));
  }
  check_search(config, task);
  metric_of(config, task);
  if (config.positive && task == data::Task::kRegression) {
    throw core::InvalidArgument(
        fmt::format("--positive {} names a class, and this is regression", *config.positive),
        "leave it out, or say --task classification");
  }
}

const models::Metric& metric_of(const TrainConfig& config, data::Task task) {
  return config.metric ? models::find_metric(*config.metric, task) : models::metrics(task).front();
}

Json to_json(const TrainConfig& config) {
  Json json;
  json["data"] = config.data;
  json["target"] = config.target;
  if (config.task) json["task"] = data::name_of(*config.task);
  if (!config.models.empty()) json["models"] = config.models;
  if (config.folds) json["folds"] = *config.folds;
  if (config.test_size) json["test-size"] = *config.test_size;
  if (config.metric) json["metric"] = *config.metric;
  json["seed"] = config.seed;
  if (config.cores) json["cores"] = *config.cores;
  if (config.time_limit) json["time-limit"] = *config.time_limit;
  if (config.memory_limit) json["memory-limit"] = *config.memory_limit;
  for (const auto& [model, parameters] : config.set) {
    json["set"][model] = Json::object();
    for (const auto& [name, value] : parameters) json["set"][model][name] = value;
  }
  if (config.search) json["search"] = *config.search;
  if (!config.ensemble) json["ensemble"] = false;
  if (!config.drop.empty()) json["drop"] = config.drop;
  if (config.id) json["id"] = *config.id;
  if (!config.categorical.empty()) json["categorical"] = config.categorical;
  if (config.weight) json["weight"] = *config.weight;
  if (config.group) json["group"] = *config.group;
  if (config.time) json["time"] = *config.time;
  if (config.positive) json["positive"] = *config.positive;
  return json;
}

TrainConfig config_from_json(const Json& json, const std::string& where) {
  if (!json.is_object()) {
    throw core::InvalidInput(fmt::format("{} is not a JSON object", where),
                             "compare it with the config.json of any run folder");
  }
  for (const auto& [key, value] : json.items()) {
    if (key != kMadeBy && std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
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
  config.time_limit = read.number("time-limit");
  config.memory_limit = read.whole_number<std::uint64_t>("memory-limit");
  read.settings("set", config.set);
  config.search = read.whole_number<std::size_t>("search");
  read.flag("ensemble", config.ensemble);
  read.texts("drop", config.drop);
  read.text("id", config.id);
  read.texts("categorical", config.categorical);
  read.text("weight", config.weight);
  read.text("group", config.group);
  read.text("time", config.time);
  read.text("positive", config.positive);
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
