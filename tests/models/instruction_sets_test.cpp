// Whole models on every instruction set. It is chosen once per process, so this program runs
// itself.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "mutirao/models/internal/sections.hpp"
#include "mutirao/models/registry.hpp"
#include "reference.hpp"

namespace mutirao::models {
namespace {

/// Set in the processes that this test starts: they print what it compares.
constexpr char kPrint[] = "MUTIRAO_TEST_PRINTS_HASHES";

/// FNV-1a over what a model would store, and over what it predicts.
std::uint64_t hash_of(const Estimator& estimator, const data::Matrix& x) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  const auto add = [&](std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes)
      hash = (hash ^ std::to_integer<unsigned>(byte)) * 0x100000001b3ULL;
  };
  SectionWriter writer;
  estimator.save(writer);
  for (const auto& section : writer.sections()) add(section.bytes);
  const std::vector<double> predictions = estimator.predict(x);
  add(std::as_bytes(std::span(predictions)));
  return hash;
}

void print_hashes() {
  test::Problem problem = test::friedman(20000, 10, 4);
  for (double& value : problem.x.writable_column(5)) value = std::floor(3.0 * value);
  for (const std::string missing : {"no", "some"}) {
    if (missing == "some") {
      for (std::size_t i = 0; i < 20000; i += 13)
        problem.x.writable_column(4)[i] = std::numeric_limits<double>::quiet_NaN();
    }
    for (const EstimatorInfo& info : estimators()) {
      if (missing == "some" && info.encoding != data::Encoding::kCodes) continue;
      std::vector<double> y = problem.y;
      if (info.task == data::Task::kClassification) {
        for (double& value : y) value = value < 5.0 ? 0.0 : value < 25.0 ? 1.0 : 2.0;
      }
      const auto has = [&](std::string_view name) {
        return std::any_of(info.parameters.begin(), info.parameters.end(),
                           [&](const ParameterInfo& each) { return each.name == name; });
      };
      for (const char* features : {"1.0", "3"}) {
        ParameterMap parameters;
        if (has("n_estimators")) parameters["n_estimators"] = "4";
        if (has("max_features")) {
          parameters["max_features"] = features;
        } else if (std::string_view(features) == "3") {
          continue;
        }
        const auto estimator = info.make(parameters);
        estimator->fit(problem.x, y, {.seed = 3});
        fmt::print("hash {} {} {} {:016x}\n", info.class_name, missing, features,
                   hash_of(*estimator, problem.x));
      }
    }
    for (const int n_classes : {0, 2, 5}) {
      std::vector<double> y = problem.y;
      for (double& value : y) {
        if (n_classes == 2) value = value > 18.0 ? 1.0 : 0.0;
        if (n_classes == 5) value = std::clamp(std::floor((value + 5.0) / 10.0), 0.0, 4.0);
      }
      for (const char* model : {"random_forest", "extra_trees"}) {
        ParameterMap parameters = {{"n_estimators", "2"}, {"max_features", "sqrt"}};
        if (n_classes != 0) parameters["criterion"] = n_classes == 2 ? "gini" : "entropy";
        const auto estimator =
            make_estimator(model, parameters,
                           n_classes == 0 ? data::Task::kRegression : data::Task::kClassification);
        estimator->fit(problem.x, y, {.seed = 3});
        fmt::print("hash {} {} {} classes {:016x}\n", model, missing, n_classes,
                   hash_of(*estimator, problem.x));
      }
    }
  }
}

std::vector<std::string> hashes_on(std::string_view set) {
  const std::string command = fmt::format(
      "{}=1 MUTIRAO_INSTRUCTION_SET={} exec \"$(readlink -f /proc/$PPID/exe)\" "
      "--gtest_filter=InstructionSets.*",
      kPrint, set);
  std::FILE* output = popen(command.c_str(), "r");
  std::vector<std::string> lines;
  char line[256];
  while (output != nullptr && std::fgets(line, sizeof line, output) != nullptr) {
    if (std::string_view(line).starts_with("hash ")) lines.emplace_back(line);
  }
  EXPECT_EQ(pclose(output), 0);
  return lines;
}

TEST(InstructionSets, GiveTheSameModelsAndPredictions) {
  if (std::getenv(kPrint) != nullptr) return print_hashes();
  const std::vector<std::string> first = hashes_on("baseline");
  EXPECT_GE(first.size(), estimators().size());
  EXPECT_EQ(hashes_on("avx2"), first);
  EXPECT_EQ(hashes_on("avx512"), first);
}

}  // namespace
}  // namespace mutirao::models
