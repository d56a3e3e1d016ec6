// What the program prints for people, compared with approved copies in tests/golden/.
// MUTIRAO_ACCEPT_GOLDEN=1 ./test -R Golden  accepts what is printed now.

#include <regex>
#include <string>

#include <gtest/gtest.h>

#include "golden.hpp"
#include "program.hpp"

namespace mutirao::tests {
namespace {

/// Times and sizes, which differ each time, as N.
std::string without_figures(std::string text) {
  text = std::regex_replace(text, std::regex(R"( *[0-9.]+ (ms|s|min|kB|MB|GB)\b)"), " N $1");
  text = std::regex_replace(text, std::regex(R"(process [0-9]+)"), "process N");
  return std::regex_replace(text, std::regex(R"( N (ms|s)\b)"), " N s");
}

TEST(Golden, HelpOfEveryCommand) {
  const Workplace place;
  expect_golden("help.txt", place.run({"--help"}).out);
  for (const char* command :
       {"train", "predict", "export", "show", "compare", "resume", "models", "launch", "doctor"})
    expect_golden(std::string("help_") + command + ".txt", place.run({command, "--help"}).out);
}

TEST(Golden, ModelsAndTheirParameters) {
  const Workplace place;
  const Outcome outcome = place.run({"models"});
  EXPECT_EQ(outcome.code, 0);
  expect_golden("models.txt", outcome.out);
}

TEST(Golden, AWholeRunAsALogShowsIt) {
  const Workplace place;
  place.write("t.csv", small_table(60));
  const Outcome outcome =
      place.run({"train", "t.csv", "--target", "y", "--out", "run", "--cores", "1", "--models",
                 "linear_regression", "--folds", "2", "--seed", "3"});
  EXPECT_EQ(outcome.code, 0);
  expect_golden("train_stderr.txt", without_figures(outcome.err));
  expect_golden("train_stdout.txt", without_figures(outcome.out));
}

TEST(Golden, VersionIsOneLine) {
  const Workplace place;
  EXPECT_EQ(place.run({"--version"}).out, "mutirao " MUTIRAO_VERSION "\n");
}

TEST(Golden, TheDoctorFindsThisMachineComplete) {
  const Workplace place;
  const Outcome outcome = place.run({"doctor"});
  EXPECT_EQ(outcome.code, 0) << outcome.out;
  for (const char* line : {"processor ", "cores ", "memory ", "worker processes work", "DuckDB "})
    EXPECT_NE(outcome.out.find(line), std::string::npos) << line;
}

}  // namespace
}  // namespace mutirao::tests
