#include "mutirao/report/leaderboard.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

namespace mutirao::report {
namespace {

using train::CandidateResult;
using train::CandidateStatus;

/// The metrics in the order in which they are shown: the run's own first.
std::vector<std::string> metric_order(const train::RunResult& result) {
  std::vector<std::string> names = {result.metric};
  for (const models::Metric& metric : models::metrics(result.task)) {
    if (metric.name != result.metric) names.push_back(metric.name);
  }
  return names;
}

double metric_of(const CandidateResult& row, const std::string& name) {
  for (const models::MetricValue& metric : row.metrics) {
    if (metric.name == name) return metric.value;
  }
  return std::nan("");
}

std::vector<std::string> heading(const train::RunResult& result) {
  std::vector<std::string> cells = {"", "model"};
  for (const std::string& name : metric_order(result)) {
    cells.push_back(name);
    if (name == result.metric) cells.push_back("+/-");
  }
  for (const char* name : {"folds", "fit", "memory"}) cells.emplace_back(name);
  return cells;
}

std::vector<std::string> cells_of(const train::RunResult& result, const CandidateResult& row,
                                  std::size_t rank) {
  std::vector<std::string> cells = {row.baseline ? "" : fmt::format("{}", rank), row.model};
  for (const std::string& name : metric_order(result)) {
    cells.push_back(number_text(metric_of(row, name)));
    if (name == result.metric) cells.push_back(number_text(row.score_std));
  }
  cells.push_back(duration_text(row.cv_seconds));
  cells.push_back(duration_text(row.fit_seconds));
  cells.push_back(bytes_text(row.peak_rss_bytes));
  return cells;
}

}  // namespace

std::string duration_text(double seconds) {
  if (seconds < 0.0995) return fmt::format("{:.0f} ms", seconds * 1e3);
  if (seconds < 9.995) return fmt::format("{:.2f} s", seconds);
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<long>(std::lround(seconds));
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string bytes_text(std::uint64_t bytes) {
  const double value = static_cast<double>(bytes);
  if (value < 999.5e3) return fmt::format("{:.0f} kB", value / 1e3);
  if (value < 999.5e6) return fmt::format("{:.0f} MB", value / 1e6);
  return fmt::format("{:.2f} GB", value / 1e9);
}

std::string number_text(double value) {
  if (!std::isfinite(value)) return "-";
  std::string text = fmt::format("{:#.5g}", value);
  // Where the point comes after the fifth digit, fmt puts a zero behind it that is none.
  const std::size_t point = text.find('.');
  if (point == (value < 0 ? 6 : 5)) text.resize(point);
  return text;
}

std::string leaderboard_table(const train::RunResult& result) {
  std::vector<std::vector<std::string>> lines = {heading(result)};
  std::size_t rank = 0;
  for (const CandidateResult& row : result.leaderboard) {
    if (row.status == CandidateStatus::kOk) {
      if (!row.baseline) ++rank;
      lines.push_back(cells_of(result, row, rank));
    } else {
      lines.push_back({"-", row.model});
    }
  }
  std::vector<std::size_t> widths(lines.front().size());
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (std::size_t l = 0; l < lines.size(); ++l) {
    std::string row;
    for (std::size_t i = 0; i < lines[l].size(); ++i) {
      row += i < 2 ? fmt::format("{:<{}}  ", lines[l][i], widths[i])
                   : fmt::format("{:>{}}  ", lines[l][i], widths[i]);
    }
    if (l > 0 && result.leaderboard[l - 1].status != CandidateStatus::kOk) {
      const CandidateResult& failed = result.leaderboard[l - 1];
      row += fmt::format("{}: {}", train::name_of(failed.status), failed.error.value_or(""));
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  }
  return text;
}

}  // namespace mutirao::report
