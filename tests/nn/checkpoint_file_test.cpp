#include "mutirao/nn/internal/checkpoint_file.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../data/temporary_folder.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/file.hpp"

namespace mutirao::nn::internal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string complaint_of(const std::string& path) {
  try {
    read_checkpoint(path);
  } catch (const core::CorruptFile& error) {
    return error.what();
  }
  return "";
}

TEST(CheckpointFile, GivesBackWhatWasWritten) {
  const data::TemporaryFolder folder;
  const std::string below = folder.file("made/on/demand");
  EXPECT_THAT(checkpoint_steps(below), IsEmpty());
  for (const std::string& payload :
       {std::string(), std::string("abc"), std::string(100'000, 'x')}) {
    write_checkpoint(below, 7, payload);
    EXPECT_EQ(read_checkpoint(checkpoint_path(below, 7)), payload);
  }
  EXPECT_THAT(checkpoint_steps(below), ElementsAre(7));
}

TEST(CheckpointFile, ThatIsCutShortAnywhereIsRefused) {
  const data::TemporaryFolder folder;
  write_checkpoint(folder.path(), 1, "the payload");
  const std::string path = checkpoint_path(folder.path(), 1);
  const std::string whole = core::read_file(path);
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    std::filesystem::resize_file(path, bytes);
    EXPECT_THAT(complaint_of(path), HasSubstr(path)) << bytes;
    folder.write("checkpoint-1.mutirao", whole);
  }
  EXPECT_EQ(complaint_of(path), "");
}

TEST(CheckpointFile, ThatIsDamagedAnywhereIsRefused) {
  const data::TemporaryFolder folder;
  write_checkpoint(folder.path(), 1, "the payload");
  const std::string path = checkpoint_path(folder.path(), 1);
  const std::string whole = core::read_file(path);
  for (std::size_t place = 0; place < whole.size(); ++place) {
    std::string damaged = whole;
    damaged[place] = static_cast<char>(damaged[place] ^ 4);
    folder.write("checkpoint-1.mutirao", damaged);
    EXPECT_NE(complaint_of(path), "") << place;
  }
  folder.write("checkpoint-1.mutirao", whole + "more");
  EXPECT_NE(complaint_of(path), "");
}

TEST(CheckpointFile, KeepsTheNewestAndRemovesWhatWasNotFinished) {
  const data::TemporaryFolder folder;
  for (const int step : {5, 100, 20, 3}) write_checkpoint(folder.path(), step, "x");
  folder.write("checkpoint-200.mutirao.4711.unfinished", "cut sho");
  folder.write("checkpoint-x.mutirao", "of somebody else");
  folder.write("notes.txt", "mine");
  EXPECT_THAT(checkpoint_steps(folder.path()), ElementsAre(100, 20, 5, 3));
  prune_checkpoints(folder.path(), 2);
  EXPECT_THAT(checkpoint_steps(folder.path()), ElementsAre(100, 20));
  EXPECT_FALSE(std::filesystem::exists(folder.file("checkpoint-200.mutirao.4711.unfinished")));
  EXPECT_TRUE(std::filesystem::exists(folder.file("checkpoint-x.mutirao")));
  EXPECT_TRUE(std::filesystem::exists(folder.file("notes.txt")));
}

TEST(CheckpointFile, AFolderThatCannotBeIsAnErrorThatNamesIt) {
  const data::TemporaryFolder folder;
  const std::string file = folder.write("file", "not a folder");
  try {
    write_checkpoint(file + "/below", 1, "x");
    FAIL();
  } catch (const core::IoError& error) {
    EXPECT_THAT(error.what(), HasSubstr(file));
  }
}

}  // namespace
}  // namespace mutirao::nn::internal
