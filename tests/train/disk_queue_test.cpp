#include "mutirao/train/internal/disk_queue.hpp"

#include <cerrno>
#include <filesystem>
#include <string>

#include <unistd.h>

#include <gtest/gtest.h>

#include "../data/temporary_folder.hpp"
#include "mutirao/core/error.hpp"

namespace mutirao::train::internal {
namespace {

namespace fs = std::filesystem;

class DiskQueueTest : public testing::Test {
 protected:
  /// Something that is there and that no process opens.
  std::string unreadable() const {
    const std::string path = folder_.file("loop");
    fs::create_symlink(path, path);
    return path;
  }
  static int error_of(DiskQueue& queue) {
    try {
      queue.wait();
    } catch (const core::IoError& error) {
      return error.error_number();
    }
    return 0;
  }

  data::TemporaryFolder folder_;
};

TEST_F(DiskQueueTest, WaitsForNothingWhenNothingWasPut) {
  DiskQueue queue;
  EXPECT_EQ(error_of(queue), 0);
}

TEST_F(DiskQueueTest, TakesFilesAndFoldersAndThoseOfBeforeAgain) {
  DiskQueue queue;
  for (int i = 0; i < 20; ++i) {
    queue.put(folder_.write("f" + std::to_string(i % 3), "x"));
    queue.put(folder_.path());
  }
  EXPECT_EQ(error_of(queue), 0);
  queue.put(folder_.file("f0"));
  EXPECT_EQ(error_of(queue), 0);
}

TEST_F(DiskQueueTest, PassesOverWhatIsNotThereAnyMore) {
  DiskQueue queue;
  queue.put(folder_.file("gone"));
  EXPECT_EQ(error_of(queue), 0);
}

TEST_F(DiskQueueTest, AFailureIsThrownOnceAndTheQueueGoesOn) {
  DiskQueue queue;
  queue.put(unreadable());
  EXPECT_EQ(error_of(queue), ELOOP);
  EXPECT_EQ(error_of(queue), 0);
  queue.put(folder_.write("f", "x"));
  EXPECT_EQ(error_of(queue), 0);
}

TEST_F(DiskQueueTest, TheDestructorThrowsNothing) {
  DiskQueue queue;
  queue.put(unreadable());
}

}  // namespace
}  // namespace mutirao::train::internal
