#include "mutirao/report/comparison.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/report/leaderboard.hpp"

namespace mutirao::report {
namespace {

void note_difference(const std::string& what, const std::string& first, const std::string& other,
                     const train::RunResult& run, std::vector<std::string>& notes) {
  if (first != other)
    notes.push_back(fmt::format("{} has {} {}, not {}", run.run, what, other, first));
}

double score_of(const train::CandidateResult& row, const train::RunResult& run,
                const std::string& metric) {
  if (row.status != train::CandidateStatus::kOk) return std::nan("");
  if (run.metric == metric) return row.score;
  for (const models::MetricValue& value : row.metrics) {
    if (value.name == metric) return value.value;
  }
  return std::nan("");
}

std::string padded(const std::string& text, std::size_t width, bool right) {
  return right ? fmt::format("{:>{}}", text, width) : fmt::format("{:<{}}", text, width);
}

}  // namespace

Comparison compare(const std::vector<train::RunResult>& runs) {
  Comparison comparison;
  const train::RunResult& first = runs.front();
  comparison.metric = first.metric;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const train::RunResult& run = runs[i];
    if (run.task != first.task) {
      throw core::InvalidInput(
          fmt::format("{} is {}, and {} is {}: their scores have nothing in common", first.run,
                      data::name_of(first.task), run.run, data::name_of(run.task)),
          "compare runs of the same task");
    }
    comparison.runs.push_back(run.run);
    note_difference("the data", first.data, run.data, run, comparison.notes);
    note_difference("the target", first.target, run.target, run, comparison.notes);
    note_difference("the metric", first.metric, run.metric, run, comparison.notes);
    note_difference("the seed", fmt::format("{}", first.seed), fmt::format("{}", run.seed), run,
                    comparison.notes);
    if (run.data == first.data)
      note_difference("so many rows:", fmt::format("{}", first.rows), fmt::format("{}", run.rows),
                      run, comparison.notes);
    for (const train::CandidateResult& row : run.leaderboard) {
      auto found =
          std::find_if(comparison.rows.begin(), comparison.rows.end(),
                       [&](const Comparison::Row& each) { return each.model == row.model; });
      if (found == comparison.rows.end()) {
        comparison.rows.push_back({.model = row.model,
                                   .scores = std::vector<std::optional<double>>(runs.size()),
                                   .statuses = std::vector<std::string>(runs.size())});
        found = comparison.rows.end() - 1;
      }
      found->scores[i] = score_of(row, run, comparison.metric);
      found->statuses[i] = train::name_of(row.status);
    }
  }
  if (comparison.metric.empty()) return comparison;  // the first run ended before it read its data
  const bool greater = models::find_metric(comparison.metric, first.task).greater_is_better;
  const auto key = [&](const Comparison::Row& row) {
    for (const std::optional<double>& score : row.scores) {
      if (score && !std::isnan(*score)) return std::pair(0, greater ? -*score : *score);
    }
    return std::pair(1, 0.0);
  };
  std::stable_sort(
      comparison.rows.begin(), comparison.rows.end(),
      [&](const Comparison::Row& a, const Comparison::Row& b) { return key(a) < key(b); });
  return comparison;
}

std::string comparison_table(const Comparison& comparison) {
  std::string text;
  for (std::size_t i = 0; i < comparison.runs.size(); ++i)
    text += fmt::format("{}  {}\n", i + 1, comparison.runs[i]);
  std::vector<std::vector<std::string>> lines(1);
  lines[0].push_back(comparison.metric);
  for (std::size_t i = 0; i < comparison.runs.size(); ++i)
    lines[0].push_back(fmt::format("{}", i + 1));
  for (const Comparison::Row& row : comparison.rows) {
    lines.push_back({row.model});
    for (std::size_t i = 0; i < row.scores.size(); ++i) {
      const bool ok = row.statuses[i] == train::name_of(train::CandidateStatus::kOk);
      lines.back().push_back(!row.scores[i] ? ""
                             : ok           ? number_text(*row.scores[i])
                                            : row.statuses[i]);
    }
  }
  std::vector<std::size_t> widths(lines[0].size());
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  text += "\n";
  for (const auto& line : lines) {
    std::string out;
    for (std::size_t i = 0; i < line.size(); ++i)
      out += (i == 0 ? "" : "  ") + padded(line[i], widths[i], i != 0);
    text += out.substr(0, out.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

train::Json to_json(const Comparison& comparison) {
  train::Json json = {{"schema", 1},
                      {"metric", comparison.metric},
                      {"runs", comparison.runs},
                      {"notes", comparison.notes},
                      {"models", train::Json::array()}};
  for (const Comparison::Row& row : comparison.rows) {
    train::Json scores = train::Json::array();
    train::Json statuses = train::Json::array();
    for (std::size_t i = 0; i < row.scores.size(); ++i) {
      const bool defined = row.scores[i] && std::isfinite(*row.scores[i]);
      scores.push_back(defined ? train::Json(*row.scores[i]) : train::Json(nullptr));
      statuses.push_back(row.scores[i] ? train::Json(row.statuses[i]) : train::Json(nullptr));
    }
    json["models"].push_back({{"model", row.model}, {"scores", scores}, {"statuses", statuses}});
  }
  return json;
}

}  // namespace mutirao::report
