#include "mutirao/report/html_report.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include "mutirao/core/file.hpp"
#include "mutirao/report/internal/html.hpp"
#include "mutirao/report/leaderboard.hpp"

namespace mutirao::report {
namespace internal {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string number_cell(const std::string& text) {
  return fmt::format("<td class=\"number\">{}</td>", text);
}

}  // namespace internal

namespace {

using internal::escaped;
using internal::number_cell;
using train::CandidateResult;
using train::CandidateStatus;

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --ink: #1c2430; --soft: #667085; --line: #d9dee7; --bar: #3b73c8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #344054; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 62rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.25rem 0 .5rem; }
p, .soft { color: var(--soft); }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: middle; }
th { font-weight: 600; } .number { text-align: right; font-variant-numeric: tabular-nums; }
.failed { color: #b42318; } svg { display: block; } svg circle { fill: var(--bar); fill-opacity: .7; }
svg line, svg rect { stroke: var(--line); fill: none; } svg polyline { stroke: var(--bar); fill: none; stroke-width: 1.5; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; } figure { margin: .75rem 0; } figcaption { color: var(--soft); font-size: 12px; }
.importances { width: auto; } svg .bar { fill: var(--bar); stroke: none; }
.confusion { width: auto; } .confusion .right { background: color-mix(in srgb, var(--bar) var(--share), transparent); }
.confusion .wrong { background: color-mix(in srgb, #b42318 var(--share), transparent); }
)";

/// The range of all fold scores, for one axis that all rows share.
std::pair<double, double> score_range(const train::RunResult& result) {
  double low = INFINITY;
  double high = -INFINITY;
  for (const CandidateResult& row : result.leaderboard) {
    for (const double score : row.fold_scores) {
      if (!std::isfinite(score)) continue;
      low = std::min(low, score);
      high = std::max(high, score);
    }
  }
  return low < high ? std::pair(low, high) : std::pair(low - 1.0, high + 1.0);
}

/// One dot per fold.
std::string fold_dots(const CandidateResult& row, std::pair<double, double> range) {
  constexpr double kWidth = 220.0;
  constexpr double kMargin = 8.0;
  std::string svg = fmt::format(
      "<svg width=\"{0}\" height=\"20\" role=\"img\" aria-label=\"scores of the folds\"><line "
      "x1=\"{1}\" y1=\"10\" x2=\"{2}\" y2=\"10\"/>",
      kWidth, kMargin, kWidth - kMargin);
  for (const double score : row.fold_scores) {
    if (!std::isfinite(score)) continue;
    const double share = (score - range.first) / (range.second - range.first);
    svg += fmt::format("<circle cx=\"{:.1f}\" cy=\"10\" r=\"5\"><title>{}</title></circle>",
                       kMargin + share * (kWidth - 2 * kMargin), number_text(score));
  }
  return svg + "</svg>";
}

std::string leaderboard(const train::RunResult& result) {
  const auto range = score_range(result);
  std::string html = "<table><tr><th>model</th>";
  for (const models::Metric& metric : models::metrics(result.task))
    html += fmt::format("<th class=\"number\">{}</th>", metric.name);
  html += fmt::format(
      "<th>{} of each fold, {} to {}</th><th class=\"number\">folds</th><th class=\"number\">final "
      "fit</th><th class=\"number\">memory</th></tr>\n",
      escaped(result.metric), number_text(range.first), number_text(range.second));
  for (const CandidateResult& row : result.leaderboard) {
    html +=
        fmt::format("<tr{}><td>{}</td>", row.baseline ? " class=\"soft\"" : "", escaped(row.model));
    if (row.status != CandidateStatus::kOk) {
      html += fmt::format("<td class=\"failed\" colspan=\"{}\">{}: {}</td></tr>\n",
                          models::metrics(result.task).size() + 4, train::name_of(row.status),
                          escaped(row.error.value_or("")));
      continue;
    }
    for (const models::MetricValue& metric : row.metrics)
      html += number_cell(number_text(metric.value));
    html += fmt::format("<td>{}</td>", fold_dots(row, range)) +
            number_cell(duration_text(row.cv_seconds)) +
            number_cell(duration_text(row.fit_seconds)) +
            number_cell(bytes_text(row.peak_rss_bytes)) + "</tr>\n";
  }
  return html + "</table>\n";
}

std::string parameters(const train::RunResult& result) {
  std::string html;
  for (const CandidateResult& row : result.leaderboard) {
    std::string list;
    for (const auto& [name, value] : row.params)
      list += fmt::format("{}{} = {}", list.empty() ? "" : ", ", escaped(name), escaped(value));
    html += fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", escaped(row.model), list);
  }
  return "<table><tr><th>model</th><th>parameters</th></tr>\n" + html + "</table>\n";
}

std::string columns(const train::RunResult& result) {
  std::string html = "<table><tr><th>column</th><th>type</th><th>used</th></tr>\n";
  for (const data::ColumnUse& column : result.columns) {
    html +=
        fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n", escaped(column.name),
                    data::name_of(column.type), column.used ? "yes" : "no: " + escaped(column.why));
  }
  return html + "</table>\n";
}

/// "regression", or "classification of 'no' and 'yes', 'yes' positive", or "... of 3 classes".
std::string task_text(const train::RunResult& result) {
  std::string text(data::name_of(result.task));
  if (result.classes.size() != 2) {
    return result.classes.empty() ? text
                                  : fmt::format("{} of {} classes", text, result.classes.size());
  }
  return fmt::format("{} of '{}' and '{}', '{}' positive", text, escaped(result.classes[0]),
                     escaped(result.classes[1]), escaped(result.positive.value_or("")));
}

}  // namespace

std::string html_report(const train::RunResult& result) {
  std::string warnings;
  for (const std::string& warning : result.warnings)
    warnings += fmt::format("<li>{}</li>\n", escaped(warning));
  if (!warnings.empty()) warnings = "<h2>Warnings</h2>\n<ul>\n" + warnings + "</ul>\n";
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\">\n<title>{0} from {1}</title>\n<style>{2}</style></head>\n"
      "<body>\n<h1>{0} from {1}</h1>\n<p>{3}; {4} rows{5}; seed {6}; {7} cores; {8}; mutirao "
      "{9}</p>\n{10}<h2>Leaderboard</h2>\n{11}{12}{13}<h2>Parameters</h2>\n{14}<h2>Columns</"
      "h2>\n{15}"
      "</body></html>\n",
      escaped(result.target), escaped(result.data), kStyle, task_text(result), result.rows,
      result.rows_dropped == 0 ? "" : fmt::format(" ({} left out)", result.rows_dropped),
      result.seed, result.cores, duration_text(result.seconds), escaped(result.version), warnings,
      leaderboard(result), internal::class_details(result), internal::importances(result),
      parameters(result), columns(result));
}

void write_html_report(const train::RunResult& result) {
  core::AtomicFile file(result.run + "/report.html");
  file.write(html_report(result));
  file.commit();
}

}  // namespace mutirao::report
