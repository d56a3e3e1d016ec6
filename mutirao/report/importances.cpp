// What the report shows of the columns that models rest on.

#include <algorithm>

#include <fmt/format.h>

#include "mutirao/report/internal/html.hpp"
#include "mutirao/report/leaderboard.hpp"

namespace mutirao::report::internal {
namespace {

/// One line per feature: its name, a bar, its share.
std::string bars(const train::CandidateResult& row) {
  constexpr double kWidth = 220.0;
  const double most = std::max(row.details.importances.front().second, 1e-300);
  std::string html = "<table class=\"importances\">\n";
  for (const auto& [feature, importance] : row.details.importances) {
    html += fmt::format(
        "<tr><td>{}</td><td><svg width=\"{}\" height=\"12\" role=\"img\" aria-label=\"share\">"
        "<rect class=\"bar\" y=\"1\" width=\"{:.1f}\" height=\"10\"/></svg></td>{}</tr>\n",
        escaped(feature), kWidth, kWidth * importance / most, number_cell(number_text(importance)));
  }
  return html + "</table>\n";
}

}  // namespace

std::string importances(const train::RunResult& result) {
  std::string html;
  for (const train::CandidateResult& row : result.leaderboard) {
    if (row.details.importances.empty()) continue;
    html += fmt::format("<section><h3>{}</h3>\n{}</section>\n", escaped(row.model), bars(row));
  }
  if (html.empty()) return html;
  return "<h2>Importances</h2>\n<p>The share of a model's gain in purity that each column brought, "
         "summed over its splits; columns of many values are favoured.</p>\n" +
         html;
}

}  // namespace mutirao::report::internal
