// Files that were made to deceive: what the fuzzer begins with and what it found, and changes of
// them that carry the right sums.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "../fuzz/model_file_target.hpp"
#include "mutirao/core/random.hpp"
#include "mutirao/models/blend.hpp"
#include "mutirao/models/internal/model_file.hpp"
#include "mutirao/models/registry.hpp"

namespace mutirao::models {
namespace {

std::vector<std::string> corpus() {
  std::vector<std::string> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(MUTIRAO_SOURCE_DIR "/tests/fuzz/corpus"))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::string read(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

bool makes_a_model(std::string bytes, bool sign) {
  const std::span<std::byte> span = std::as_writable_bytes(std::span(bytes));
  if (sign) internal::sign_model_file(span);
  return test::read_and_predict(span);
}

TEST(HostileModelFile, TheCorpusHasAModelOfEveryEstimatorAndEnsembles) {
  const std::string folder = MUTIRAO_SOURCE_DIR "/tests/fuzz/corpus/";
  for (const EstimatorInfo& info : estimators()) {
    const bool regression = info.task == data::Task::kRegression;
    const std::string file = folder + info.name + (regression ? "" : "_3_classes") + ".mutirao";
    ASSERT_TRUE(std::filesystem::exists(file)) << file;
    EXPECT_EQ(Model::load(file).name(), info.name);
  }
  for (const char* ensemble : {"ensemble", "ensemble_2_classes", "ensemble_3_classes"}) {
    const Model model = Model::load(folder + ensemble + ".mutirao");
    EXPECT_EQ(dynamic_cast<const Blend&>(model.estimator()).members().size(), 3u) << ensemble;
  }
}

TEST(HostileModelFile, IsAnErrorOrAModelThatPredicts) {
  std::size_t models = 0;
  for (const std::string& file : corpus()) {
    SCOPED_TRACE(file);
    models += makes_a_model(read(file), false) ? 1 : 0;
  }
  EXPECT_GT(models, 0u);
}

TEST(HostileModelFile, IsAnErrorOrAModelWhenItsSumsAreRight) {
  core::RandomStream stream({11});
  std::size_t models = 0;
  std::size_t refused = 0;
  for (const std::string& file : corpus()) {
    const std::string bytes = read(file);
    if (bytes.empty()) continue;
    for (int round = 0; round < 100; ++round) {
      SCOPED_TRACE(file + " round " + std::to_string(round));
      std::string changed = bytes;
      for (std::size_t change = 0; change <= stream.below(3); ++change) {
        const std::size_t at = stream.below(changed.size());
        constexpr unsigned char kBytes[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
        changed[at] = static_cast<char>(
            stream.below(2) == 0 ? kBytes[stream.below(sizeof kBytes)]
                                 : static_cast<unsigned char>(changed[at]) ^ 1U << stream.below(8));
      }
      (makes_a_model(changed, true) ? models : refused) += 1;
    }
  }
  EXPECT_GT(models, 0u);
  EXPECT_GT(refused, 0u);
}

}  // namespace
}  // namespace mutirao::models
