// What README.md shows works as it stands there.

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "program.hpp"

namespace mutirao::tests {
namespace {

namespace fs = std::filesystem;

std::string read(const std::string& name) {
  std::ifstream file(std::string(MUTIRAO_SOURCE_DIR) + "/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> blocks(const std::string& text, const std::string& language) {
  std::vector<std::string> found;
  const std::string fence = "```" + language + "\n";
  for (std::size_t at = text.find(fence); at != std::string::npos; at = text.find(fence, at)) {
    at += fence.size();
    found.push_back(text.substr(at, text.find("```", at) - at));
  }
  return found;
}

TEST(Readme, TheProgramThatItShowsIsTheExample) {
  const std::vector<std::string> code = blocks(read("README.md"), "cpp");
  ASSERT_EQ(code.size(), 1U);
  EXPECT_EQ(code[0], read("examples/readme.cpp"));
}

TEST(Readme, EveryCommandThatItShowsWorksInItsOrder) {
  const Workplace place;
  fs::create_directory_symlink(std::string(MUTIRAO_SOURCE_DIR) + "/examples",
                               place.path() / "examples");
  std::size_t commands = 0;
  for (const std::string& block : blocks(read("README.md"), "sh")) {
    std::istringstream lines(block);
    for (std::string line; std::getline(lines, line);) {
      // The bare scripts build everything and are run by whoever runs this test.
      if (!line.starts_with("./run ")) continue;
      std::istringstream words(line.substr(6));
      std::vector<std::string> arguments;
      for (std::string word; words >> word;) arguments.push_back(word);
      const Outcome outcome = place.run(arguments);
      EXPECT_EQ(outcome.code, 0) << line << "\n" << outcome.err;
      ++commands;
    }
  }
  EXPECT_GE(commands, 5U);
}

}  // namespace
}  // namespace mutirao::tests
