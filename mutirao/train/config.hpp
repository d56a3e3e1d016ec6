#pragma once

// What a training run is asked to do.
//
// Purpose: what the command line, a configuration file and a program that uses the library all
// fill in. Guarantees: config_from_json(to_json(config)) is the same configuration; check() finds
// everything that can be wrong before data is read. Thread safety: values. Failure:
// core::InvalidArgument that names the key and the value and says what to do; core::InvalidInput
// for a file that is no configuration.
//
//   TrainConfig config{.data = "diamonds.csv.gz", .target = "price"};
//   config.set["random_forest"]["n_estimators"] = "500";
//   check(config);

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "mutirao/data/feature_selection.hpp"
#include "mutirao/models/metrics.hpp"
#include "mutirao/models/parameters.hpp"

namespace mutirao::train {

using Json = nlohmann::ordered_json;

struct TrainConfig {
  std::string data;    ///< a file, a glob or a query
  std::string target;  ///< the column to predict
  /// Absent: decided from the target.
  std::optional<data::Task> task = std::nullopt;
  /// Names of the registry, or "label=name" (train/candidates.hpp), each label once; empty: those
  /// that the registry trains by default; "all" alone: all of the task. The baseline is trained in
  /// any case.
  std::vector<std::string> models = {};
  /// Shuffled folds of a cross-validation; absent: kDefaultFolds, unless test_size is given.
  std::optional<std::size_t> folds = std::nullopt;
  /// The share of the rows that one split tests, in place of folds; between 0 and 1.
  std::optional<double> test_size = std::nullopt;
  /// Absent: the first of the task's, r2 or accuracy.
  std::optional<std::string> metric = std::nullopt;
  std::uint64_t seed = 0;
  /// At most this many cores; absent: as many as this process may use.
  std::optional<std::size_t> cores = std::nullopt;
  /// Seconds after which the run ends, with what it has by then; absent: none.
  std::optional<double> time_limit = std::nullopt;
  /// Bytes that the processes of one candidate may take; absent: no limit.
  std::optional<std::uint64_t> memory_limit = std::nullopt;
  /// Parameters that differ from their defaults, by the label of the model.
  std::map<std::string, models::ParameterMap> set = {};
  /// Draws of parameters that are tried for each model, the defaults among them; absent: none.
  std::optional<std::size_t> search = std::nullopt;
  /// Whether the candidates are also blended.
  bool ensemble = true;
  std::vector<std::string> drop = {};
  std::optional<std::string> id = std::nullopt;
  std::vector<std::string> categorical = {};
  /// The column of sample weights: of fits and of metrics. Not a feature.
  std::optional<std::string> weight = std::nullopt;
  /// The column whose equal rows are never on both sides of a split. Not a feature.
  std::optional<std::string> group = std::nullopt;
  /// The column in whose order folds learn from what is earlier and test what is later.
  std::optional<std::string> time = std::nullopt;
  /// The class that f1 and roc_auc judge, of two; absent: the second of them in their order.
  std::optional<std::string> positive = std::nullopt;

  bool operator==(const TrainConfig&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(data, target, task, models, folds, test_size, metric, seed, cores, time_limit,
            memory_limit, set, search, ensemble, drop, id, categorical, weight, group, time,
            positive);
  }
};

inline constexpr std::size_t kDefaultFolds = 5;
/// The key of config.json that says what made the run; it asks for nothing.
inline constexpr const char* kMadeBy = "run";
/// What the column of predictions is called.
inline constexpr const char* kPrediction = "prediction";

/// "regression" or "classification"; throws for another.
data::Task task_of(const std::string& name);

/// How many times each model is fitted for its score.
std::size_t fold_count(const TrainConfig& config) noexcept;

/// Throws for everything that is wrong without looking at the data.
void check(const TrainConfig& config);
/// Throws for what does not go with the task: models, parameters, the metric, a positive class.
void check_for(const TrainConfig& config, data::Task task);

/// What orders the leaderboard of a run of the task.
const models::Metric& metric_of(const TrainConfig& config, data::Task task);

/// The keys of the command line: "data", "target", "task", "models", "folds", "test-size",
/// "metric", "seed", "cores", "search", "ensemble", "time-limit" (seconds), "memory-limit" (bytes),
/// "set", "drop", "id", "categorical", "weight", "group", "time", "positive"; what is absent is
/// left out.
Json to_json(const TrainConfig& config);

/// Reads what to_json() writes; a key that is not there leaves its default. `where` begins the
/// sentence of an error.
TrainConfig config_from_json(const Json& json, const std::string& where);

/// Reads a configuration file.
TrainConfig read_config(const std::string& path);

}  // namespace mutirao::train
