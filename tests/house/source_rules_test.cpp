// The rules of the house that a machine can check: which layer may include which, and what every
// source file looks like.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = MUTIRAO_SOURCE_DIR;

// What each layer may include besides itself. "models -> exec" is narrower: see kOnlyThese.
const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"core", {}},
    {"exec", {"core"}},
    {"comm", {"core"}},
    {"data", {"core"}},
    {"models", {"data", "exec", "core"}},
    {"cluster", {"exec", "core"}},
    {"nn", {"comm", "core"}},
    {"launch", {"comm", "core"}},
    {"train", {"models", "data", "exec", "core"}},
    {"report", {"train", "core"}},
    {"cli", {"report", "train", "models", "data", "exec", "launch", "comm", "cluster", "core"}},
};

const std::map<std::pair<std::string, std::string>, std::set<std::string>> kOnlyThese = {
    {{"models", "exec"}, {"executor.hpp", "core_budget.hpp"}},
};

// Headers of heavy libraries are seen only inside the one module that wraps them.
const std::vector<std::pair<std::regex, std::set<std::string>>> kWrappedLibraries = {
    {std::regex("duckdb"), {"data"}},
    {std::regex("^torch/|^ATen/|^c10/"), {"nn"}},
    {std::regex("^mpi\\.h$|^nccl"), {"comm"}},
    {std::regex("^cuda"), {"comm", "nn"}},
    {std::regex("^Eigen/"), {"models"}},
    {std::regex("^(oneapi/)?tbb/"), {"exec"}},
    {std::regex("^CLI/"), {"cli"}},
};

bool is_source(const fs::path& path) {
  return path.extension() == ".hpp" || path.extension() == ".cpp" || path.extension() == ".cu";
}

std::vector<fs::path> sources_below(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && is_source(entry.path())) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string read(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::string layer_of(const fs::path& path) {
  const fs::path relative = path.lexically_relative(kRoot);
  auto part = relative.begin();
  return *part == "mutirao" ? std::next(part)->string() : part->string();
}

std::vector<fs::path> library_and_cli() {
  std::vector<fs::path> found = sources_below(kRoot / "mutirao");
  const std::vector<fs::path> cli = sources_below(kRoot / "cli");
  found.insert(found.end(), cli.begin(), cli.end());
  return found;
}

/// The complaint about one #include of one file, or nothing.
std::string complaint(const std::string& layer, const std::string& included) {
  static const std::regex ours(
      "^(?:mutirao/)?(core|exec|comm|data|models|cluster|nn|launch|train|report|cli)/(.*)$");
  std::smatch match;
  if (std::regex_match(included, match, ours)) {
    const std::string other = match[1];
    const std::string header = match[2];
    if (other == layer) return {};
    if (!kMayInclude.at(layer).contains(other)) return "an arrow from " + layer + " to " + other;
    if (header.starts_with("internal/")) return "the inside of " + other;
    const auto narrowed = kOnlyThese.find({layer, other});
    if (narrowed != kOnlyThese.end() && !narrowed->second.contains(header))
      return layer + " may not use " + included;
    return {};
  }
  for (const auto& [pattern, layers] : kWrappedLibraries) {
    if (std::regex_search(included, pattern) && !layers.contains(layer))
      return "a library that another layer wraps";
  }
  return {};
}

/// The clock of the day may jump; nothing that waits, or gives up waiting, may look at it.
TEST(SourceRules, WhatWaitsKeepsToSteadyClocks) {
  static const std::regex clock_of_the_day(
      "system_clock|high_resolution_clock|CLOCK_REALTIME|gettimeofday|std::time\\(|::time\\(");
  for (const char* const layer : {"core", "exec", "comm", "launch"}) {
    for (const fs::path& path : sources_below(kRoot / "mutirao" / layer))
      EXPECT_FALSE(std::regex_search(read(path), clock_of_the_day)) << path;
  }
}

TEST(SourceRules, IncludesGoDownOnly) {
  static const std::regex include(R"(^\s*#\s*include\s*[<"]([^">]+)[">])");
  for (const fs::path& path : library_and_cli()) {
    const std::string layer = layer_of(path);
    ASSERT_TRUE(kMayInclude.contains(layer)) << path << " lies in a folder that is no layer";
    std::istringstream lines(read(path));
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
      std::smatch match;
      if (!std::regex_search(line, match, include)) continue;
      EXPECT_EQ(complaint(layer, match[1]), "") << path.string() << ":" << number << ": " << line;
    }
  }
}

TEST(SourceRules, AnArrowThatGoesUpIsSeen) {
  EXPECT_NE(complaint("core", "mutirao/exec/executor.hpp"), "");
  EXPECT_NE(complaint("exec", "mutirao/data/table.hpp"), "");
  EXPECT_NE(complaint("data", "mutirao/exec/executor.hpp"), "");
  EXPECT_NE(complaint("models", "mutirao/exec/process_executor.hpp"), "");
  EXPECT_NE(complaint("train", "mutirao/exec/internal/ring.hpp"), "");
  EXPECT_NE(complaint("train", "duckdb.h"), "");
  EXPECT_EQ(complaint("models", "mutirao/exec/core_budget.hpp"), "");
  EXPECT_EQ(complaint("data", "duckdb.h"), "");
}

TEST(SourceRules, OneFolderIsOneNamespace) {
  for (const fs::path& path : sources_below(kRoot / "mutirao")) {
    EXPECT_NE(read(path).find("namespace mutirao::" + layer_of(path)), std::string::npos) << path;
  }
}

TEST(SourceRules, EveryHeaderIsIncludedOnce) {
  for (const fs::path& path : library_and_cli()) {
    if (path.extension() != ".hpp") continue;
    EXPECT_TRUE(read(path).starts_with("#pragma once\n")) << path;
  }
}

TEST(SourceRules, SourcesAreAscii) {
  for (const fs::path& path : library_and_cli()) {
    const std::string text = read(path);
    const auto odd = std::find_if(text.begin(), text.end(),
                                  [](char c) { return static_cast<unsigned char>(c) > 126; });
    EXPECT_EQ(odd, text.end()) << path << " line " << 1 + std::count(text.begin(), odd, '\n');
  }
}

TEST(SourceRules, PublicHeadersAreReadInOneSitting) {
  std::size_t total = 0;
  for (const fs::path& path : sources_below(kRoot / "mutirao")) {
    if (path.extension() != ".hpp" || path.string().find("/internal/") != std::string::npos)
      continue;
    const std::string text = read(path);
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    EXPECT_LE(lines, 250u) << path;
    total += lines;
  }
  RecordProperty("public_header_lines", static_cast<int>(total));
}

}  // namespace
