#include <charconv>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/follow_run.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/models/metrics.hpp"
#include "mutirao/models/registry.hpp"
#include "mutirao/train/candidates.hpp"
#include "mutirao/train/run_folder.hpp"
#include "mutirao/train/train.hpp"

namespace mutirao::cli {
namespace {

/// The options as they were typed; empty: not given.
struct Typed {
  std::string data, target, models, task, folds, test_size, metric, seed, cores, out, config, drop,
      id, categorical, weight, group, time, positive, time_limit, memory_limit, events, search;
  std::vector<std::string> set;
  bool json = false;
  bool quiet = false;
  bool no_ensemble = false;
};

/// "a,b,c" in its parts; a comma inside double quotes divides nothing.
std::vector<std::string> list_of(const std::string& text, const std::string& option) {
  std::vector<std::string> parts(1);
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  for (const std::string& part : parts) {
    if (part.empty()) {
      throw core::InvalidArgument(fmt::format("{} '{}' has an empty name in it", option, text),
                                  "write names with commas between them: a,b,c");
    }
  }
  return parts;
}

template <class Integer>
Integer whole_number(const std::string& text, const std::string& option, Integer least) {
  Integer value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end || value < least) {
    throw core::InvalidArgument(
        fmt::format("{} must be a whole number of at least {}, not '{}'", option, least, text));
  }
  return value;
}

double fraction(const std::string& text, const std::string& option) {
  double value = 0.0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) {
    throw core::InvalidArgument(
        fmt::format("{} must be a number between 0 and 1, not '{}'", option, text));
  }
  return value;
}

/// A number and a unit: "1.5h" with {"h", 3600}. No unit means the first.
double amount(const std::string& text, const std::string& option,
              const std::vector<std::pair<std::string, double>>& units, const std::string& hint) {
  double value = 0.0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  const std::string unit(error == std::errc() ? rest : end, end);
  for (const auto& [name, factor] : units) {
    if (error == std::errc() && (unit == name || (unit.empty() && name == units.front().first)))
      return value * factor;
  }
  throw core::InvalidArgument(fmt::format("{} cannot be '{}'", option, text), hint);
}

double seconds_of(const std::string& text) {
  return amount(
      text, "--time-limit",
      {{"s", 1.0}, {"ms", 1e-3}, {"m", 60.0}, {"min", 60.0}, {"h", 3600.0}, {"d", 86400.0}},
      "write it as 90s, 10m or 1.5h");
}

std::uint64_t bytes_of(const std::string& text) {
  const double bytes = amount(text, "--memory-limit",
                              {{"B", 1.0},
                               {"kB", 1e3},
                               {"MB", 1e6},
                               {"GB", 1e9},
                               {"TB", 1e12},
                               {"K", 1024.0},
                               {"M", 1048576.0},
                               {"G", 1073741824.0},
                               {"MiB", 1048576.0},
                               {"GiB", 1073741824.0}},
                              "write it as 500MB or 4GB");
  if (!(bytes >= 0.0 && bytes < 1e18))
    throw core::InvalidArgument(fmt::format("--memory-limit cannot be '{}'", text),
                                "write it as 500MB or 4GB");
  return static_cast<std::uint64_t>(bytes);
}

/// What the file says, and over it what was typed.
train::TrainConfig config_of(const Typed& typed) {
  train::TrainConfig config;
  if (!typed.config.empty()) config = train::read_config(typed.config);
  if (!typed.data.empty()) config.data = typed.data;
  if (!typed.target.empty()) config.target = typed.target;
  if (!typed.models.empty()) config.models = list_of(typed.models, "--models");
  if (!typed.task.empty()) config.task = train::task_of(typed.task);
  if (!typed.folds.empty()) {
    config.folds = whole_number<std::size_t>(typed.folds, "--folds", 2);
    if (typed.test_size.empty()) config.test_size.reset();
  }
  if (!typed.test_size.empty()) {
    config.test_size = fraction(typed.test_size, "--test-size");
    if (typed.folds.empty()) config.folds.reset();
  }
  if (!typed.metric.empty()) config.metric = typed.metric;
  if (!typed.seed.empty()) config.seed = whole_number<std::uint64_t>(typed.seed, "--seed", 0);
  if (!typed.cores.empty()) config.cores = whole_number<std::size_t>(typed.cores, "--cores", 1);
  if (!typed.time_limit.empty()) config.time_limit = seconds_of(typed.time_limit);
  if (!typed.memory_limit.empty()) config.memory_limit = bytes_of(typed.memory_limit);
  for (const std::string& setting : typed.set) train::parse_setting(setting, config);
  if (!typed.search.empty()) config.search = whole_number<std::size_t>(typed.search, "--search", 2);
  if (typed.no_ensemble) config.ensemble = false;
  if (!typed.drop.empty()) config.drop = list_of(typed.drop, "--drop");
  if (!typed.id.empty()) config.id = typed.id;
  if (!typed.categorical.empty()) config.categorical = list_of(typed.categorical, "--categorical");
  if (!typed.weight.empty()) config.weight = typed.weight;
  if (!typed.group.empty()) config.group = typed.group;
  if (!typed.time.empty()) config.time = typed.time;
  if (!typed.positive.empty()) config.positive = typed.positive;
  return config;
}

int run(const Typed& typed) {
  const train::TrainConfig config = config_of(typed);
  train::check(config);
  if (!typed.events.empty() && typed.events != "-") {
    throw core::InvalidArgument(
        fmt::format("--events must be -, for stdout, not '{}'", typed.events),
        "a run folder has its events in events.jsonl");
  }
  const FollowOptions options{
      .json = typed.json,
      .quiet = typed.quiet,
      .events = !typed.events.empty(),
      .run = typed.out.empty() ? train::default_run_path(config.data) : typed.out};
  return follow_run(
      options, [&config](const train::TrainOptions& how) { return train::train(config, how); });
}

std::string names_of_metrics(data::Task task) {
  std::string names;
  for (const models::Metric& metric : models::metrics(task))
    names += (names.empty() ? "" : ", ") + metric.name;
  return names;
}

}  // namespace

Action add_train(CLI::App& app) {
  CLI::App* command = app.add_subcommand("train", "Train models on a table, score them, save them");
  const auto typed = std::make_shared<Typed>();
  command->add_option("data", typed->data,
                      "a file (CSV, Parquet, JSON lines; also .gz, .zst), a glob, or a query: "
                      "\"SELECT ... FROM 'x.parquet'\"");
  command->add_option("--target", typed->target, "the column to predict")->type_name("COLUMN");
  command
      ->add_option(
          "--models", typed->models,
          "the models to train, as mutirao models lists them, or all; small=random_forest is "
          "one under a name of its own")
      ->type_name("A,B,C");
  command
      ->add_option("--task", typed->task,
                   "regression or classification; decided from the target unless given")
      ->type_name("TASK");
  command
      ->add_option("--folds", typed->folds,
                   fmt::format("shuffled folds of the cross-validation ({})", train::kDefaultFolds))
      ->type_name("K");
  command
      ->add_option("--test-size", typed->test_size,
                   "one split in place of folds: the share of the rows to test")
      ->type_name("F");
  command
      ->add_option("--metric", typed->metric,
                   fmt::format("what orders the leaderboard: {} ({}); for classes {} ({})",
                               names_of_metrics(data::Task::kRegression),
                               models::metrics(data::Task::kRegression).front().name,
                               names_of_metrics(data::Task::kClassification),
                               models::metrics(data::Task::kClassification).front().name))
      ->type_name("M");
  command->add_option("--seed", typed->seed, "the same seed gives the same run (0)")
      ->type_name("S");
  command->add_option("--cores", typed->cores, "cores to use (all that this process may)")
      ->type_name("N");
  command
      ->add_option("--time-limit", typed->time_limit,
                   "end after this time with the models that there are by then: 90s, 10m, 1.5h")
      ->type_name("T");
  command
      ->add_option("--memory-limit", typed->memory_limit,
                   "what one model may take, else it is given up: 500MB, 4GB")
      ->type_name("SIZE");
  command->add_option("--out", typed->out, "the run folder (runs/<data>-<UTC time>)")
      ->type_name("DIR");
  command
      ->add_option("--set", typed->set,
                   "parameters of a model, e.g. random_forest.n_estimators=500,max_features=3")
      ->type_name("MODEL.NAME=VALUE,...")
      ->allow_extra_args(false);
  command
      ->add_option("--config", typed->config,
                   "a file with these options, such as config.json of a run folder")
      ->type_name("FILE");
  command
      ->add_option(
          "--search", typed->search,
          "try so many draws of each model's parameters, the first being the defaults; the "
          "best is chosen inside each fold")
      ->type_name("N");
  command->add_flag("--no-ensemble", typed->no_ensemble,
                    "leave out the weighted mean of all models");
  command->add_option("--drop", typed->drop, "columns not to learn from")->type_name("C,C");
  command->add_option("--id", typed->id, "the column that names the rows; not learned from")
      ->type_name("C");
  command
      ->add_option("--categorical", typed->categorical,
                   "columns to treat as categories and to keep, whatever they hold")
      ->type_name("C,C");
  command
      ->add_option("--weight", typed->weight,
                   "the column of what each row counts, in fits and in metrics")
      ->type_name("C");
  command
      ->add_option("--group", typed->group,
                   "the column whose equal rows are never both learned from and tested")
      ->type_name("C");
  command
      ->add_option("--time", typed->time,
                   "the column in whose order what is earlier is learned from and what is later is "
                   "tested")
      ->type_name("C");
  command
      ->add_option("--positive", typed->positive,
                   "of two classes, the one that f1 and roc_auc judge (the second in their order)")
      ->type_name("LABEL");
  command
      ->add_option("--events", typed->events,
                   "print every event as a line of JSON, in place of the leaderboard; with --json "
                   "the result is the last line")
      ->type_name("-");
  command->add_flag("--json", typed->json, "print the result as one JSON object");
  command->add_flag("--quiet", typed->quiet, "say nothing on stderr but errors");
  return [typed] { return run(*typed); };
}

}  // namespace mutirao::cli
