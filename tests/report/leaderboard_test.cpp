#include "mutirao/report/leaderboard.hpp"

#include <cmath>
#include <limits>
#include <sstream>

#include <gtest/gtest.h>

#include "../train/made_up_run.hpp"

namespace mutirao::report {
namespace {

TEST(Leaderboard, IsOneLinePerModelUnderAHeading) {
  EXPECT_EQ(
      leaderboard_table(train::made_up_run()),
      "   model                   r2        +/-    rmse     mae      mape       folds     fit  "
      "memory\n"
      "1  random_forest      0.98125  0.0012500  546.50  269.06  0.062500  1 min 02 s  12.2 s  312 "
      "MB\n"
      "2  linear_regression  0.50000          -   12346       -   0.25000       50 ms  0.25 s    8 "
      "MB\n"
      "3  decision_tree            -          -       -       -         -        0 ms    0 ms  900 "
      "kB\n"
      "-  extra_trees        crashed: the process was ended by signal 11 (Segmentation fault)\n");
}

TEST(Leaderboard, ShowsTheRunsMetricFirst) {
  train::RunResult run = train::made_up_run();
  run.metric = "mae";
  run.leaderboard.resize(1);
  EXPECT_EQ(
      leaderboard_table(run),
      "   model             mae        +/-       r2    rmse      mape       folds     fit  memory\n"
      "1  random_forest  269.06  0.0012500  0.98125  546.50  0.062500  1 min 02 s  12.2 s  312 "
      "MB\n");
}

TEST(Leaderboard, OfClassesShowsTheirMetricsAndTheBaselineWithoutARank) {
  EXPECT_EQ(
      leaderboard_table(train::made_up_classification()),
      "   model          accuracy        +/-  balanced_accuracy       f1  roc_auc  log_loss       "
      "folds     fit  memory\n"
      "1  random_forest   0.87500  0.0012500            0.75000  0.50000  0.93750   0.25000  1 "
      "min 02 s  12.2 s  312 MB\n"
      "   baseline        0.50000          -            0.50000        -  0.50000   0.68750       "
      "50 ms  0.25 s    8 MB\n");
}

TEST(Leaderboard, OfNoModelsIsItsHeading) {
  train::RunResult run = train::made_up_run();
  run.leaderboard.clear();
  EXPECT_EQ(leaderboard_table(run), "  model  r2  +/-  rmse  mae  mape  folds  fit  memory\n");
}

TEST(Leaderboard, NoLineEndsInBlanks) {
  train::RunResult run = train::made_up_run();
  run.leaderboard[3].error = "";
  train::CandidateResult failed = run.leaderboard[3];
  failed.error.reset();
  failed.status = train::CandidateStatus::kFailed;
  run.leaderboard.push_back(failed);
  std::istringstream lines(leaderboard_table(run));
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    ASSERT_FALSE(line.empty());
    EXPECT_NE(line.back(), ' ') << line;
  }
  EXPECT_EQ(count, 6u);
}

TEST(Leaderboard, CountsOnlyTheModelsThatEndedWell) {
  train::RunResult run = train::made_up_run();
  std::swap(run.leaderboard[0], run.leaderboard[3]);
  const std::string table = leaderboard_table(run);
  EXPECT_NE(table.find("\n-  extra_trees"), std::string::npos);
  EXPECT_NE(table.find("\n1  linear_regression"), std::string::npos);
  EXPECT_NE(table.find("\n3  random_forest"), std::string::npos);
}

TEST(Leaderboard, DurationsAreAsShortAsTheyStayTelling) {
  EXPECT_EQ(duration_text(0.0), "0 ms");
  EXPECT_EQ(duration_text(0.0014), "1 ms");
  EXPECT_EQ(duration_text(0.099), "99 ms");
  EXPECT_EQ(duration_text(0.1), "0.10 s");
  EXPECT_EQ(duration_text(9.99), "9.99 s");
  EXPECT_EQ(duration_text(10.0), "10.0 s");
  EXPECT_EQ(duration_text(12.34), "12.3 s");
  EXPECT_EQ(duration_text(59.9), "59.9 s");
  EXPECT_EQ(duration_text(60.0), "1 min 00 s");
  EXPECT_EQ(duration_text(65.4), "1 min 05 s");
  EXPECT_EQ(duration_text(3599.4), "59 min 59 s");
  EXPECT_EQ(duration_text(3599.6), "1 h 00 min");
  EXPECT_EQ(duration_text(3600.0), "1 h 00 min");
  EXPECT_EQ(duration_text(90061.0), "25 h 01 min");
}

TEST(Leaderboard, SizesAreAsShortAsTheyStayTelling) {
  EXPECT_EQ(bytes_text(0), "0 kB");
  EXPECT_EQ(bytes_text(1'600), "2 kB");
  EXPECT_EQ(bytes_text(999'000), "999 kB");
  EXPECT_EQ(bytes_text(1'000'000), "1 MB");
  EXPECT_EQ(bytes_text(312'400'000), "312 MB");
  EXPECT_EQ(bytes_text(1'000'000'000), "1.00 GB");
  EXPECT_EQ(bytes_text(12'345'678'901), "12.35 GB");
}

TEST(Leaderboard, NumbersHaveFiveSignificantDigits) {
  EXPECT_EQ(number_text(0.0), "0.0000");
  EXPECT_EQ(number_text(1.0), "1.0000");
  EXPECT_EQ(number_text(0.981254), "0.98125");
  EXPECT_EQ(number_text(-12.3456), "-12.346");
  EXPECT_EQ(number_text(1234.56), "1234.6");
  EXPECT_EQ(number_text(12345.6), "12346");
  EXPECT_EQ(number_text(1234567.0), "1.2346e+06");
  EXPECT_EQ(number_text(0.0000123456), "1.2346e-05");
  EXPECT_EQ(number_text(std::nan("")), "-");
  EXPECT_EQ(number_text(std::numeric_limits<double>::infinity()), "-");
}

}  // namespace
}  // namespace mutirao::report
