#include "mutirao/core/file.hpp"

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../data/temporary_folder.hpp"
#include "mutirao/core/error.hpp"

namespace mutirao::core {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// The IoError that `action` throws; another error, or none, fails the test.
template <class Action>
IoError io_error_of(Action action) {
  try {
    action();
  } catch (const IoError& error) {
    return error;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not an IoError: " << error.what();
    return {"", 0};
  }
  ADD_FAILURE() << "nothing went wrong";
  return {"", 0};
}

/// Runs `action` in a process of its own, whose limits are its own too, and gives its exit status.
template <class Action>
int status_in_child(Action action) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(action());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class FileTest : public testing::Test {
 protected:
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_.path()))
      names.push_back(entry.path().filename().string());
    return names;
  }
  std::string path(const std::string& name = "f") const { return folder_.file(name); }

  data::TemporaryFolder folder_;
};

TEST_F(FileTest, AnAtomicFileHoldsAllThatWasWritten) {
  AtomicFile file(path());
  EXPECT_EQ(file.size(), 0u);
  const std::string bytes("a\0b\n", 4);
  file.write(bytes.data(), bytes.size());
  file.write("end");
  EXPECT_EQ(file.size(), 7u);
  file.commit();
  EXPECT_EQ(read_file(path()), bytes + "end");
  EXPECT_THAT(names(), testing::ElementsAre("f"));
}

TEST_F(FileTest, AnAtomicFileIsNotThereBeforeItIsCommitted) {
  AtomicFile file(path());
  file.write("half");
  EXPECT_FALSE(fs::exists(path()));
  EXPECT_TRUE(fs::exists(file.unfinished_path()));
  EXPECT_TRUE(file.unfinished_path().ends_with(kUnfinishedSuffix));
  file.commit();
  EXPECT_EQ(read_file(path()), "half");
}

TEST_F(FileTest, AnAtomicFileThatIsNotCommittedLeavesNothing) {
  {
    AtomicFile file(path());
    file.write("half");
  }
  EXPECT_THAT(names(), testing::IsEmpty());
}

TEST_F(FileTest, AnAtomicFileReplacesWhatWasThereOnlyWhenItIsCommitted) {
  folder_.write("f", "what was there, and longer");
  {
    AtomicFile given_up(path());
    given_up.write("half");
  }
  EXPECT_EQ(read_file(path()), "what was there, and longer");
  AtomicFile file(path());
  file.write("new");
  EXPECT_EQ(read_file(path()), "what was there, and longer");
  file.commit();
  EXPECT_EQ(read_file(path()), "new");
}

TEST_F(FileTest, WhoeverHasTheOldFileOpenKeepsReadingIt) {
  folder_.write("f", "old");
  std::ifstream reader(path());
  AtomicFile file(path());
  file.write("new");
  file.commit();
  std::string text;
  reader >> text;
  EXPECT_EQ(text, "old");
}

TEST_F(FileTest, AFileThatNeedNotBeOnDiskIsWholeToo) {
  folder_.write("f", "what was there");
  AtomicFile file(path());
  file.write("new");
  EXPECT_EQ(read_file(path()), "what was there");
  file.commit_unsynced();
  EXPECT_EQ(read_file(path()), "new");
  EXPECT_THAT(names(), testing::ElementsAre("f"));
}

TEST_F(FileTest, FilesAndFoldersArePutOnDiskByName) {
  folder_.write("f", "x");
  sync_path(path());
  sync_path(folder_.path());
  const IoError error = io_error_of([&] { sync_path(path("none")); });
  EXPECT_EQ(error.error_number(), ENOENT);
  EXPECT_THAT(error.what(), HasSubstr("cannot write " + path("none")));
}

TEST_F(FileTest, AnEmptyAtomicFileIsAFile) {
  AtomicFile(path()).commit();
  EXPECT_EQ(read_file(path()), "");
}

TEST_F(FileTest, TheRestOfAnAtomicFileMayBeWrittenByName) {
  AtomicFile file(path());
  std::ofstream(file.unfinished_path()) << "by name";
  file.commit();
  EXPECT_EQ(read_file(path()), "by name");
}

TEST_F(FileTest, WhatAKilledProcessLeftIsOverwritten) {
  const std::string unfinished = AtomicFile(path()).unfinished_path();
  std::ofstream(unfinished) << "much more than what is written now";
  AtomicFile file(path());
  file.write("now");
  file.commit();
  EXPECT_EQ(read_file(path()), "now");
}

TEST_F(FileTest, APathInAFolderThatIsNotThereIsNamed) {
  const IoError error = io_error_of([&] { AtomicFile file(path("no/f")); });
  EXPECT_THAT(error.what(), HasSubstr("cannot write " + path("no/f")));
  EXPECT_EQ(error.error_number(), ENOENT);
  EXPECT_EQ(error.code(), ErrorCode::kIo);
}

TEST_F(FileTest, AFileIsNotAFolder) {
  folder_.write("g", "");
  EXPECT_EQ(io_error_of([&] { AtomicFile file(path("g/f")); }).error_number(), ENOTDIR);
  EXPECT_EQ(io_error_of([&] { AppendFile file(path("g/f")); }).error_number(), ENOTDIR);
}

TEST_F(FileTest, AnAtomicFileDoesNotTakeThePlaceOfAFolder) {
  fs::create_directory(path());
  folder_.write("f/inside", "kept");
  EXPECT_THAT(io_error_of([&] {
                AtomicFile file(path());
                file.write("x");
                file.commit();
              }).what(),
              HasSubstr("cannot write " + path()));
  EXPECT_THAT(names(), testing::ElementsAre("f"));
  EXPECT_EQ(read_file(path("f/inside")), "kept");
}

TEST_F(FileTest, AFolderThatMayNotBeWrittenIsNamed) {
  ::chmod(folder_.path().c_str(), 0500);
  const int status = status_in_child([&] {
    // Root may write everywhere; whoever else it is then may not.
    if (::geteuid() == 0 && ::seteuid(65534) != 0) return 3;
    try {
      AtomicFile file(path());
    } catch (const IoError& error) {
      return error.error_number() == EACCES ? 0 : 1;
    }
    return 2;
  });
  ::chmod(folder_.path().c_str(), 0700);
  EXPECT_EQ(status, 0);
}

TEST_F(FileTest, AFullDiskIsSaidAndLeavesWhatWasThere) {
  folder_.write("f", "old");
  const std::string unfinished = AtomicFile(path()).unfinished_path();
  // Everything that is written to /dev/full meets a full disk.
  fs::create_symlink("/dev/full", unfinished);
  const IoError error = io_error_of([&] {
    AtomicFile file(path());
    file.write("new");
    file.commit();
  });
  EXPECT_EQ(error.code(), ErrorCode::kOutOfSpace);
  EXPECT_EQ(error.error_number(), ENOSPC);
  EXPECT_THAT(error.what(), HasSubstr("cannot write " + path()));
  EXPECT_EQ(error.hint(), "free some space, or write elsewhere");
  EXPECT_EQ(read_file(path()), "old");
  EXPECT_THAT(names(), testing::ElementsAre("f"));
}

TEST_F(FileTest, AFileThatOutgrowsItsLimitIsNotPutInPlace) {
  folder_.write("f", "old");
  const int status = status_in_child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      AtomicFile file(path());
      // The first part of this fits.
      file.write(std::string(1500, 'x'));
      file.commit();
    } catch (const IoError& error) {
      return error.error_number() == EFBIG ? 0 : 1;
    }
    return 2;
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(path()), "old");
  EXPECT_THAT(names(), testing::ElementsAre("f"));
}

TEST_F(FileTest, AProcessThatIsKilledLeavesOnlyAnUnfinishedFile) {
  folder_.write("f", "old");
  status_in_child([&] {
    AtomicFile file(path());
    file.write("half");
    return ::raise(SIGKILL);
  });
  EXPECT_EQ(read_file(path()), "old");
  EXPECT_THAT(names(), testing::UnorderedElementsAre("f", testing::EndsWith(".unfinished")));
}

TEST_F(FileTest, TwoProcessesThatWriteOneFileDoNotMixTheirBytes) {
  AtomicFile file(path());
  file.write("ours");
  EXPECT_EQ(status_in_child([&] {
              AtomicFile other(path());
              other.write("somebody else's");
              other.commit();
              return 0;
            }),
            0);
  EXPECT_EQ(read_file(path()), "somebody else's");
  file.commit();
  EXPECT_EQ(read_file(path()), "ours");
}

TEST_F(FileTest, AnAppendFileGrowsByLines) {
  AppendFile file(path());
  EXPECT_EQ(read_file(path()), "");
  file.append_line("one");
  EXPECT_EQ(read_file(path()), "one\n");
  file.append_line("");
  file.append_line("three");
  EXPECT_EQ(read_file(path()), "one\n\nthree\n");
}

TEST_F(FileTest, AnAppendFileKeepsWhatIsThere) {
  folder_.write("f", "before\n");
  AppendFile(path()).append_line("after");
  EXPECT_EQ(read_file(path()), "before\nafter\n");
}

TEST_F(FileTest, TwoAppendFilesDoNotOverwriteEachOther) {
  AppendFile one(path());
  AppendFile two(path());
  one.append_line("1");
  two.append_line("2");
  one.append_line("3");
  EXPECT_EQ(read_file(path()), "1\n2\n3\n");
}

TEST_F(FileTest, ALineForAFullDiskIsRefused) {
  AppendFile file("/dev/full");
  const IoError error = io_error_of([&] { file.append_line("x"); });
  EXPECT_EQ(error.code(), ErrorCode::kOutOfSpace);
  EXPECT_THAT(error.what(), HasSubstr("cannot write /dev/full"));
}

TEST_F(FileTest, ReadsFilesLargerThanABuffer) {
  std::string text;
  for (int i = 0; i < 50000; ++i) text += std::to_string(i) + '\n';
  EXPECT_EQ(read_file(folder_.write("f", text)), text);
}

TEST_F(FileTest, AFileThatCannotBeReadIsNamed) {
  const IoError missing = io_error_of([&] { read_file(path("none")); });
  EXPECT_THAT(missing.what(), HasSubstr("cannot read " + path("none")));
  EXPECT_EQ(missing.error_number(), ENOENT);
  EXPECT_EQ(io_error_of([&] { read_file(folder_.path()); }).error_number(), EISDIR);
}

TEST_F(FileTest, OpensNoDescriptorThatAnotherProgramInherits) {
  AtomicFile atomic(path());
  AppendFile append(path("g"));
  std::size_t left_open = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const std::string target = fs::read_symlink(entry.path(), error).string();
    if (!target.starts_with(folder_.path())) continue;
    std::ifstream info("/proc/self/fdinfo/" + entry.path().filename().string());
    std::string word;
    while (info >> word && word != "flags:") {
    }
    info >> word;
    if ((std::stoul(word, nullptr, 8) & O_CLOEXEC) == 0) ++left_open;
  }
  EXPECT_EQ(left_open, 0u);
}

}  // namespace
}  // namespace mutirao::core
