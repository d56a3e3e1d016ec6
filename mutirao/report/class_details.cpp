// What the report shows of classifiers: who was taken for whom, and the curve of the positive
// class.

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "mutirao/report/internal/html.hpp"
#include "mutirao/report/leaderboard.hpp"

namespace mutirao::report::internal {
namespace {

using train::CandidateResult;

/// More classes than these make a table that nobody reads.
constexpr std::size_t kMostClasses = 30;

/// A count of rows, or a sum of weights.
std::string weight_text(double value) {
  return value == std::floor(value) && value < 1e15 ? fmt::format("{:.0f}", value)
                                                    : number_text(value);
}

/// One row per true class; the darker a cell, the larger its share of that class.
std::string confusion(const train::RunResult& result, const CandidateResult& row) {
  const std::size_t n = result.classes.size();
  std::string html = "<table class=\"confusion\"><tr><th>true class</th>";
  for (const std::string& name : result.classes)
    html += fmt::format("<th class=\"number\">{}</th>", escaped(name));
  html += "</tr>\n";
  for (std::size_t truth = 0; truth < n; ++truth) {
    const auto first = row.details.confusion.begin() + static_cast<std::ptrdiff_t>(truth * n);
    const double all = std::accumulate(first, first + static_cast<std::ptrdiff_t>(n), 0.0);
    html += fmt::format("<tr><td>{}</td>", escaped(result.classes[truth]));
    for (std::size_t seen = 0; seen < n; ++seen) {
      const double value = first[static_cast<std::ptrdiff_t>(seen)];
      html += fmt::format("<td class=\"number {}\" style=\"--share:{:.0f}%\">{}</td>",
                          seen == truth ? "right" : "wrong", all > 0.0 ? 60.0 * value / all : 0.0,
                          weight_text(value));
    }
    html += "</tr>\n";
  }
  return html + "</table>\n";
}

std::string curve(const train::RunResult& result, const CandidateResult& row) {
  constexpr double kSize = 220.0;
  constexpr double kMargin = 10.0;
  const auto x_of = [](double rate) { return kMargin + rate * (kSize - 2 * kMargin); };
  const auto y_of = [](double rate) { return kSize - kMargin - rate * (kSize - 2 * kMargin); };
  std::string points;
  const models::RocCurve& roc = row.details.roc;
  for (std::size_t i = 0; i < roc.true_positive_rate.size(); ++i) {
    points += fmt::format("{}{:.1f},{:.1f}", i == 0 ? "" : " ", x_of(roc.false_positive_rate[i]),
                          y_of(roc.true_positive_rate[i]));
  }
  return fmt::format(
      "<figure><svg width=\"{0}\" height=\"{0}\" role=\"img\" aria-label=\"ROC curve\">"
      "<rect x=\"{1}\" y=\"{1}\" width=\"{2}\" height=\"{2}\"/>"
      "<line x1=\"{1}\" y1=\"{3}\" x2=\"{3}\" y2=\"{1}\"/><polyline points=\"{4}\"/></svg>"
      "<figcaption>share of '{5}' found (up) against share of the others taken for it "
      "(right)</figcaption></figure>\n",
      kSize, kMargin, kSize - 2 * kMargin, kSize - kMargin, points,
      escaped(result.positive.value_or("")));
}

}  // namespace

std::string class_details(const train::RunResult& result) {
  const std::size_t n = result.classes.size();
  std::string html;
  for (const CandidateResult& row : result.leaderboard) {
    if (row.details.confusion.size() != n * n || n == 0) continue;
    html += fmt::format("<section><h3>{}</h3>\n", escaped(row.model));
    html += n <= kMostClasses ? confusion(result, row)
                              : fmt::format("<p>{} classes are too many for a table.</p>\n", n);
    if (!row.details.roc.true_positive_rate.empty()) html += curve(result, row);
    html += "</section>\n";
  }
  if (html.empty()) return html;
  return "<h2>Classes</h2>\n<p>Tested rows by their class (down) and by the class that was "
         "predicted (across).</p>\n" +
         html;
}

}  // namespace mutirao::report::internal
