#include "mutirao/report/html_report.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../data/temporary_folder.hpp"
#include "../train/made_up_run.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/file.hpp"

namespace mutirao::report {
namespace {

using testing::HasSubstr;
using testing::Not;

/// What is wrong with the tags of a page; empty when each is closed in its turn. Good enough for
/// pages without comments.
std::string tag_complaint(std::string_view html) {
  std::vector<std::string> open;
  for (std::size_t at = 0; (at = html.find('<', at)) != std::string_view::npos;) {
    const std::size_t end = html.find('>', at);
    if (end == std::string_view::npos) return "a tag does not end";
    std::string_view tag = html.substr(at + 1, end - at - 1);
    at = end + 1;
    if (tag.starts_with('!') || tag.ends_with('/')) continue;
    const bool closes = tag.starts_with('/');
    if (closes) tag.remove_prefix(1);
    const std::string name(tag.substr(0, tag.find_first_of(" \n")));
    if (name.empty() ||
        !std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c); }))
      return "'" + std::string(tag) + "' is no tag";
    if (std::count(tag.begin(), tag.end(), '"') % 2 != 0) return name + " has an open quote";
    if (name == "meta") continue;
    if (!closes) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return "/" + name + " closes " + (open.empty() ? "nothing" : open.back());
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : open.back() + " is not closed";
}

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string_view::npos; at += what.size())
    ++count;
  return count;
}

TEST(HtmlReport, TheCheckOfTagsSeesWhatIsWrong) {
  EXPECT_EQ(tag_complaint("<p><b>x</b></p>"), "");
  EXPECT_NE(tag_complaint("<p><b>x</p></b>"), "");
  EXPECT_NE(tag_complaint("<p>"), "");
  EXPECT_NE(tag_complaint("</p>"), "");
  EXPECT_NE(tag_complaint("<p>1 < 2 </p>"), "");
  EXPECT_NE(tag_complaint("<p class=\"x>1</p>"), "");
}

TEST(HtmlReport, SaysWhatWasTrainedOnWhat) {
  const std::string html = html_report(train::made_up_run());
  EXPECT_THAT(html, testing::StartsWith("<!doctype html>\n"));
  EXPECT_THAT(html, HasSubstr("<h1>price from diamonds.csv.gz</h1>"));
  EXPECT_THAT(html, HasSubstr("regression; 53940 rows (3 left out); seed 7; 2 "
                              "cores; 1 min 05 s; mutirao 0.1.0"));
  EXPECT_THAT(html, HasSubstr("<li>column 'leak' alone predicts the target almost perfectly</li>"));
  EXPECT_THAT(html, HasSubstr("<td>random_forest</td><td class=\"number\">0.98125</td>"));
  EXPECT_THAT(html, HasSubstr("n_estimators = 100"));
  EXPECT_THAT(html, HasSubstr("<td>sold</td><td>timestamp</td><td>no: constant</td>"));
  EXPECT_THAT(html, HasSubstr("<td>carat</td><td>number</td><td>yes</td>"));
}

TEST(HtmlReport, ItsTagsAreBalanced) {
  EXPECT_EQ(tag_complaint(html_report(train::made_up_run())), "");
  train::RunResult bare;
  EXPECT_EQ(tag_complaint(html_report(bare)), "");
}

TEST(HtmlReport, LeavesOutWhatThereIsNone) {
  train::RunResult run = train::made_up_run();
  run.warnings.clear();
  run.rows_dropped = 0;
  const std::string html = html_report(run);
  EXPECT_THAT(html, Not(HasSubstr("Warnings")));
  EXPECT_THAT(html, Not(HasSubstr("left out)")));
}

TEST(HtmlReport, ADotStandsForEachFoldThatHasAScore) {
  train::RunResult run = train::made_up_run();
  run.leaderboard.resize(1);
  EXPECT_EQ(count_of(html_report(run), "<circle "), 2u);
  run.leaderboard[0].fold_scores = {0.5, std::nan(""), 0.5, 0.5};
  EXPECT_EQ(count_of(html_report(run), "<circle "), 3u);
  EXPECT_THAT(html_report(run), Not(HasSubstr("nan")));
  run.leaderboard[0].fold_scores = {std::nan("")};
  EXPECT_EQ(count_of(html_report(run), "<circle "), 0u);
  EXPECT_THAT(html_report(run), Not(HasSubstr("inf")));
}

TEST(HtmlReport, AModelThatFailedSaysWhy) {
  EXPECT_THAT(html_report(train::made_up_run()),
              HasSubstr("<td>extra_trees</td><td class=\"failed\" colspan=\"8\">crashed: the "
                        "process was ended by signal 11 (Segmentation fault)</td>"));
}

TEST(HtmlReport, EveryRowOfTheLeaderboardIsAsWideAsItsHeading) {
  const std::string html = html_report(train::made_up_run());
  const std::size_t first = html.find("<h2>Leaderboard");
  const std::string table = html.substr(first, html.find("</table>", first) - first);
  EXPECT_EQ(count_of(table, "<th"), 9u);
  // Three models with a cell for each, and the failed one: a name and one cell over all others.
  EXPECT_EQ(count_of(table, "<td"), 3u * 9u + 2u);
}

TEST(HtmlReport, OfClassesShowsWhoWasTakenForWhomAndTheCurve) {
  const std::string html = html_report(train::made_up_classification());
  EXPECT_EQ(tag_complaint(html), "");
  EXPECT_THAT(html, HasSubstr("classification of 'no' and 'yes', 'yes' positive"));
  EXPECT_THAT(html, HasSubstr("<tr><td>yes</td><td class=\"number wrong\" "
                              "style=\"--share:2%\">0.50000</td>"
                              "<td class=\"number right\" style=\"--share:58%\">19.500</td>"));
  EXPECT_EQ(count_of(html, "<table class=\"confusion\">"), 2u);
  EXPECT_EQ(count_of(html, "<polyline"), 1u) << "the baseline has no curve here";
  EXPECT_THAT(html, HasSubstr("points=\"10.0,210.0 60.0,60.0 210.0,10.0\""));
  EXPECT_THAT(html_report(train::made_up_run()), Not(HasSubstr("confusion\"")));
}

TEST(HtmlReport, ShowsWhatModelsRestOn) {
  const std::string html = html_report(train::made_up_run());
  EXPECT_EQ(count_of(html, "<table class=\"importances\">"), 1u);
  EXPECT_THAT(html, HasSubstr("<tr><td>cut</td><td><svg width=\"220\""));
  EXPECT_THAT(html, HasSubstr("width=\"73.3\" height=\"10\"/></svg></td><td class=\"number\">"
                              "0.25000</td></tr>"));
  EXPECT_THAT(html_report(train::made_up_classification()), Not(HasSubstr("<h2>Importances")));
}

TEST(HtmlReport, EscapesTheLabelsOfClasses) {
  train::RunResult run = train::made_up_classification();
  run.classes = {"<b>", "a&b"};
  run.positive = "a&b";
  const std::string html = html_report(run);
  EXPECT_EQ(tag_complaint(html), "");
  EXPECT_THAT(html, Not(HasSubstr("<b>")));
  EXPECT_THAT(html, HasSubstr("&lt;b&gt;"));
}

TEST(HtmlReport, EscapesEverythingThatComesFromDataAndNames) {
  const std::string evil = "<script>alert(\"&\")</script>";
  train::RunResult run = train::made_up_run();
  run.version = run.run = run.data = run.target = run.metric = evil;
  run.warnings = {evil};
  for (data::ColumnUse& column : run.columns) column.name = column.why = evil;
  for (train::CandidateResult& row : run.leaderboard) {
    row.model = evil;
    row.error = evil;
    row.params = {{evil, evil}};
    row.details.importances = {{evil, 1.0}};
  }
  const std::string html = html_report(run);
  EXPECT_EQ(tag_complaint(html), "");
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(&quot;&amp;&quot;)&lt;/script&gt;"));
}

TEST(HtmlReport, NeedsNothingBesideItAndNoNetwork) {
  const std::string html = html_report(train::made_up_run());
  for (const char* word :
       {"<script", "http:", "https:", "src=", "href=", "url(", "@import", "onload=", "onclick="})
    EXPECT_THAT(html, Not(HasSubstr(word)));
}

TEST(HtmlReport, IsWrittenIntoTheRunFolder) {
  const data::TemporaryFolder folder;
  train::RunResult run = train::made_up_run();
  run.run = folder.path();
  write_html_report(run);
  EXPECT_EQ(core::read_file(folder.file("report.html")), html_report(run));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
  run.run = folder.file("none");
  EXPECT_THROW(write_html_report(run), core::IoError);
}

}  // namespace
}  // namespace mutirao::report
