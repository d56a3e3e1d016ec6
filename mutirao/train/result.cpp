#include "mutirao/train/result.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"

namespace mutirao::train {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int kSchema = 1;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

double number_from(const Json& json) { return json.is_null() ? kNaN : json.get<double>(); }

template <class T>
Json optional(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::optional<std::string> optional_text(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional(json.get<std::string>());
}

/// "500" as a number, "true" as a boolean, "none" as null, "sqrt" as text.
Json parameter(const std::string& text) {
  if (text == "none") return nullptr;
  if (text == "true" || text == "false") return text == "true";
  const char* const end = text.data() + text.size();
  std::int64_t whole = 0;
  if (const auto [rest, error] = std::from_chars(text.data(), end, whole);
      error == std::errc() && rest == end)
    return whole;
  double fraction = 0.0;
  if (const auto [rest, error] = std::from_chars(text.data(), end, fraction);
      error == std::errc() && rest == end && std::isfinite(fraction))
    return fraction;
  return text;
}

std::string parameter_text(const Json& json) {
  if (json.is_null()) return "none";
  if (json.is_boolean()) return models::text_of(json.get<bool>());
  if (json.is_number_integer()) return models::text_of(json.get<std::int64_t>());
  if (json.is_number()) return models::text_of(json.get<double>());
  return json.get<std::string>();
}

CandidateStatus status_of(const std::string& name) {
  for (const CandidateStatus status :
       {CandidateStatus::kOk, CandidateStatus::kCrashed, CandidateStatus::kTimeout,
        CandidateStatus::kMemory, CandidateStatus::kFailed}) {
    if (name == name_of(status)) return status;
  }
  throw core::InvalidInput(fmt::format("there is no status '{}'", name));
}

data::ColumnType column_type_of(const std::string& name) {
  if (const std::optional<data::ColumnType> type = data::column_type_named(name)) return *type;
  throw core::InvalidInput(fmt::format("there is no column type '{}'", name));
}

/// Runs `read`; whatever it finds wrong is a damaged file.
template <class Read>
auto reading(const std::string& where, Read read) {
  try {
    return read();
  } catch (const std::exception& error) {
    throw core::CorruptFile(fmt::format("{} is damaged: {}", where, error.what()),
                            "train again, or copy the run folder again");
  }
}

}  // namespace

std::string_view name_of(CandidateStatus status) noexcept {
  switch (status) {
    case CandidateStatus::kOk:
      return "ok";
    case CandidateStatus::kCrashed:
      return "crashed";
    case CandidateStatus::kTimeout:
      return "timeout";
    case CandidateStatus::kMemory:
      return "memory";
    case CandidateStatus::kFailed:
      return "failed";
  }
  return "unknown";
}

void rank(std::vector<CandidateResult>& leaderboard, const models::Metric& metric) {
  const auto key = [&](const CandidateResult& row) {
    if (row.status != CandidateStatus::kOk || std::isnan(row.score))
      return std::pair(row.status == CandidateStatus::kOk ? 1 : 2, 0.0);
    return std::pair(0, metric.greater_is_better ? -row.score : row.score);
  };
  std::stable_sort(
      leaderboard.begin(), leaderboard.end(),
      [&](const CandidateResult& a, const CandidateResult& b) { return key(a) < key(b); });
}

const CandidateResult* best_of(const RunResult& result) noexcept {
  const auto found = std::find_if(
      result.leaderboard.begin(), result.leaderboard.end(), [](const CandidateResult& row) {
        return row.status == CandidateStatus::kOk && !row.baseline && row.model_file;
      });
  return found == result.leaderboard.end() ? nullptr : &*found;
}

Json parameters_json(const models::ParameterMap& parameters) {
  Json json = Json::object();
  for (const auto& [name, value] : parameters) json[name] = parameter(value);
  return json;
}

Json to_json(const CandidateResult& row) {
  Json json;
  json["model"] = row.model;
  json["estimator"] = row.estimator;
  json["status"] = name_of(row.status);
  json["baseline"] = row.baseline;
  json["params"] = parameters_json(row.params);
  json["score"] = number(row.score);
  json["score_std"] = number(row.score_std);
  json["metrics"] = Json::object();
  for (const models::MetricValue& metric : row.metrics)
    json["metrics"][metric.name] = number(metric.value);
  json["fold_scores"] = Json::array();
  for (const double score : row.fold_scores) json["fold_scores"].push_back(number(score));
  json["cv_seconds"] = row.cv_seconds;
  json["fit_seconds"] = row.fit_seconds;
  json["peak_rss_bytes"] = row.peak_rss_bytes;
  json["model_file"] = optional(row.model_file);
  json["error"] = optional(row.error);
  return json;
}

Json to_json(const CandidateDetails& details) {
  Json json = Json::object();
  if (!details.confusion.empty()) json["confusion"] = details.confusion;
  if (!details.roc.true_positive_rate.empty()) {
    json["roc"] = {{"false_positive_rate", details.roc.false_positive_rate},
                   {"true_positive_rate", details.roc.true_positive_rate}};
  }
  for (const auto& [feature, importance] : details.importances)
    json["importances"].push_back({{"feature", feature}, {"importance", importance}});
  return json;
}

Json to_json(const RunResult& result) {
  Json json;
  json["schema"] = kSchema;
  json["version"] = result.version;
  json["run"] = result.run;
  json["data"] = result.data;
  json["target"] = result.target;
  json["task"] = data::name_of(result.task);
  if (result.task == data::Task::kClassification) {
    json["classes"] = result.classes;
    json["positive"] = optional(result.positive);
  }
  json["metric"] = result.metric;
  json["seed"] = result.seed;
  json["cores"] = result.cores;
  json["seconds"] = result.seconds;
  json["rows"] = result.rows;
  json["rows_dropped"] = result.rows_dropped;
  json["stopped"] = optional(result.stopped);
  json["warnings"] = result.warnings;
  json["columns"] = Json::array();
  for (const data::ColumnUse& column : result.columns) {
    json["columns"].push_back({{"name", column.name},
                               {"type", data::name_of(column.type)},
                               {"used", column.used},
                               {"why", column.why.empty() ? Json(nullptr) : Json(column.why)}});
  }
  json["leaderboard"] = Json::array();
  for (const CandidateResult& row : result.leaderboard) json["leaderboard"].push_back(to_json(row));
  return json;
}

CandidateResult candidate_result_from_json(const Json& json, const std::string& where) {
  return reading(where, [&] {
    CandidateResult row;
    row.model = json.at("model").get<std::string>();
    row.estimator = json.at("estimator").get<std::string>();
    row.status = status_of(json.at("status").get<std::string>());
    row.baseline = json.at("baseline").get<bool>();
    for (const auto& [name, value] : json.at("params").items())
      row.params[name] = parameter_text(value);
    row.score = number_from(json.at("score"));
    row.score_std = number_from(json.at("score_std"));
    for (const auto& [name, value] : json.at("metrics").items())
      row.metrics.push_back({name, number_from(value)});
    for (const Json& score : json.at("fold_scores")) row.fold_scores.push_back(number_from(score));
    row.cv_seconds = json.at("cv_seconds").get<double>();
    row.fit_seconds = json.at("fit_seconds").get<double>();
    row.peak_rss_bytes = json.at("peak_rss_bytes").get<std::uint64_t>();
    row.model_file = optional_text(json.at("model_file"));
    row.error = optional_text(json.at("error"));
    return row;
  });
}

CandidateDetails details_from_json(const Json& json, const std::string& where) {
  return reading(where, [&] {
    CandidateDetails details;
    if (json.contains("confusion"))
      details.confusion = json["confusion"].get<std::vector<double>>();
    if (json.contains("roc")) {
      details.roc = {json["roc"].at("false_positive_rate").get<std::vector<double>>(),
                     json["roc"].at("true_positive_rate").get<std::vector<double>>()};
    }
    if (json.contains("importances")) {
      for (const Json& each : json["importances"]) {
        details.importances.emplace_back(each.at("feature").get<std::string>(),
                                         each.at("importance").get<double>());
      }
    }
    return details;
  });
}

RunResult run_result_from_json(const Json& json, const std::string& where) {
  return reading(where, [&] {
    RunResult result;
    result.version = json.at("version").get<std::string>();
    result.run = json.at("run").get<std::string>();
    result.data = json.at("data").get<std::string>();
    result.target = json.at("target").get<std::string>();
    result.task = task_of(json.at("task").get<std::string>());
    if (result.task == data::Task::kClassification) {
      result.classes = json.at("classes").get<std::vector<std::string>>();
      result.positive = optional_text(json.at("positive"));
    }
    result.metric = json.at("metric").get<std::string>();
    result.seed = json.at("seed").get<std::uint64_t>();
    result.cores = json.at("cores").get<std::size_t>();
    result.seconds = json.at("seconds").get<double>();
    result.rows = json.at("rows").get<std::uint64_t>();
    result.rows_dropped = json.at("rows_dropped").get<std::uint64_t>();
    result.stopped = optional_text(json.at("stopped"));
    result.warnings = json.at("warnings").get<std::vector<std::string>>();
    for (const Json& column : json.at("columns")) {
      result.columns.push_back({column.at("name").get<std::string>(),
                                column_type_of(column.at("type").get<std::string>()),
                                column.at("used").get<bool>(),
                                optional_text(column.at("why")).value_or("")});
    }
    for (const Json& row : json.at("leaderboard"))
      result.leaderboard.push_back(candidate_result_from_json(row, where));
    return result;
  });
}

}  // namespace mutirao::train
