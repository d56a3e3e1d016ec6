#include "mutirao/launch/launch.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/core/error.hpp"
#include "mutirao/core/process.hpp"

namespace mutirao::launch {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

/// Keeps what it hears.
class Recorder : public LaunchObserver {
 public:
  void on_line(std::size_t rank, Stream stream, std::string_view line) override {
    lines[{rank, stream}].emplace_back(line);
    if (on_line_) on_line_(line);
  }
  void on_started(std::size_t rank, pid_t process) override { processes[rank].push_back(process); }
  void on_restart(const RankFailure& failure, std::size_t restart) override {
    restarts.push_back({restart, failure.rank});
  }

  std::vector<std::string> out(std::size_t rank) { return lines[{rank, Stream::kOut}]; }
  std::vector<std::string> err(std::size_t rank) { return lines[{rank, Stream::kErr}]; }

  std::map<std::pair<std::size_t, Stream>, std::vector<std::string>> lines;
  std::map<std::size_t, std::vector<pid_t>> processes;
  std::vector<std::pair<std::size_t, std::size_t>> restarts;
  std::function<void(std::string_view)> on_line_;
};

LaunchOptions shell(const std::string& script, std::size_t ranks = 2) {
  return {.command = {"sh", "-c", script}, .ranks = ranks, .grace = 60s};
}

/// Waits until the process is gone; false after a minute.
bool ends(pid_t process) {
  core::UniqueFd fd;
  try {
    fd = core::open_pidfd(process);
  } catch (const core::IoError&) {
    return true;
  }
  pollfd entry{fd.get(), POLLIN, 0};
  return ::poll(&entry, 1, 60'000) == 1;
}

bool is_gone(pid_t process) { return ::kill(process, 0) != 0; }

/// A file for the ranks to write to, removed at the end.
class Note {
 public:
  Note() {
    std::string pattern = (fs::temp_directory_path() / "mutirao-launch-XXXXXX").string();
    ::close(::mkstemp(pattern.data()));
    path_ = pattern;
  }
  ~Note() { fs::remove(path_); }
  const std::string& path() const { return path_; }
  std::vector<pid_t> numbers() const {
    std::ifstream file(path_);
    std::vector<pid_t> all;
    for (pid_t number = 0; file >> number;) all.push_back(number);
    return all;
  }

 private:
  std::string path_;
};

TEST(Launch, TellsEachRankWhoItIs) {
  Recorder recorder;
  const LaunchResult result = launch(
      shell("echo $RANK $LOCAL_RANK $WORLD_SIZE $LOCAL_WORLD_SIZE $GROUP_RANK $GROUP_WORLD_SIZE "
            "$MASTER_ADDR $TORCHELASTIC_RESTART_COUNT $TORCHELASTIC_MAX_RESTARTS",
            3),
      recorder);
  EXPECT_FALSE(result.failure);
  EXPECT_FALSE(result.stopped);
  for (std::size_t rank = 0; rank < 3; ++rank) {
    const std::string number = std::to_string(rank);
    EXPECT_THAT(recorder.out(rank), ElementsAre(number + " " + number + " 3 3 0 1 127.0.0.1 0 0"));
  }
}

TEST(Launch, RanksOfOneStartAgreeOnPortAndRun) {
  Recorder recorder;
  launch(shell("echo $MASTER_PORT $TORCHELASTIC_RUN_ID"), recorder);
  EXPECT_EQ(recorder.out(0), recorder.out(1));
  Recorder other;
  launch(shell("echo $MASTER_PORT $TORCHELASTIC_RUN_ID"), other);
  EXPECT_NE(recorder.out(0), other.out(0));
}

TEST(Launch, RanksOfSeveralNodesAreNumberedThrough) {
  Recorder recorder;
  LaunchOptions options = shell(
      "echo $RANK $WORLD_SIZE $GROUP_RANK $MASTER_ADDR:$MASTER_PORT "
      "$TORCHELASTIC_RUN_ID");
  options.nodes = 3;
  options.node_rank = 1;
  options.master_address = "10.0.0.1";
  options.master_port = 29500;
  launch(options, recorder);
  EXPECT_THAT(recorder.out(2), ElementsAre("2 6 1 10.0.0.1:29500 10.0.0.1:29500"));
  EXPECT_THAT(recorder.out(3), ElementsAre("3 6 1 10.0.0.1:29500 10.0.0.1:29500"));
}

TEST(Launch, DividesTheCores) {
  const auto cores_of = [](const std::string& line) { return std::stoul(line); };
  Recorder one;
  launch(shell("nproc", 1), one);
  const std::size_t all = cores_of(one.out(0).at(0));
  const std::size_t ranks = std::min<std::size_t>(all, 2);
  Recorder divided;
  launch(shell("nproc; grep Cpus_allowed_list /proc/self/status", ranks), divided);
  std::size_t sum = 0;
  for (std::size_t rank = 0; rank < ranks; ++rank) sum += cores_of(divided.out(rank).at(0));
  EXPECT_EQ(sum, all);
  if (ranks == 2) {
    EXPECT_NE(divided.out(0).at(1), divided.out(1).at(1));
  }
  // More ranks than cores: none is pinned.
  Recorder many;
  launch(shell("env -u OMP_NUM_THREADS nproc", all + 1), many);
  EXPECT_EQ(cores_of(many.out(0).at(0)), all);
}

TEST(Launch, SaysHowManyThreadsUnlessTheUserDid) {
  Recorder recorder;
  LaunchOptions options = shell("echo $OMP_NUM_THREADS", 1);
  options.threads_per_rank = 3;
  ASSERT_EQ(::unsetenv("OMP_NUM_THREADS"), 0);
  launch(options, recorder);
  EXPECT_THAT(recorder.out(0), ElementsAre("3"));
  ASSERT_EQ(::setenv("OMP_NUM_THREADS", "7", 1), 0);
  launch(options, recorder);
  ASSERT_EQ(::unsetenv("OMP_NUM_THREADS"), 0);
  EXPECT_THAT(recorder.out(0), ElementsAre("3", "7"));
}

TEST(Launch, KeepsStreamsApartAndGivesWholeLines) {
  Recorder recorder;
  launch(shell("printf 'a\\nb'; printf 'c\\n\\nd'; echo e >&2; read x || echo nothing to read", 1),
         recorder);
  EXPECT_THAT(recorder.out(0), ElementsAre("a", "bc", "", "dnothing to read"));
  EXPECT_THAT(recorder.err(0), ElementsAre("e"));
}

TEST(Launch, GivesLongLinesInPiecesAndLosesNothing) {
  Recorder recorder;
  launch(shell("head -c 3000000 /dev/zero | tr '\\0' x; seq 200000", 1), recorder);
  std::string text;
  std::size_t numbers = 0;
  for (const std::string& line : recorder.out(0)) {
    EXPECT_LE(line.size(), std::size_t{64} << 10);
    if (line.find('x') != std::string::npos) {
      text += line;
    } else {
      ++numbers;
    }
  }
  EXPECT_EQ(static_cast<std::size_t>(std::count(text.begin(), text.end(), 'x')), 3'000'000U);
  EXPECT_EQ(numbers, 199'999U);  // the first stands behind the x
}

TEST(Launch, AFailureStopsTheOthersAndIsNamed) {
  Recorder recorder;
  const LaunchResult result = launch(
      shell("if [ $RANK = 1 ]; then echo bad luck >&2; exit 7; fi; exec sleep 1000", 3), recorder);
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->rank, 1U);
  EXPECT_EQ(result.failure->exit_code, 7);
  EXPECT_EQ(result.failure->signal, 0);
  EXPECT_EQ(result.failure->stderr_tail, "bad luck\n");
  EXPECT_THAT(describe(*result.failure), HasSubstr("rank 1 (process "));
  EXPECT_THAT(describe(*result.failure), HasSubstr("exited with code 7"));
  EXPECT_THAT(describe(*result.failure), HasSubstr("\n  bad luck"));
  for (const auto& [rank, processes] : recorder.processes) EXPECT_TRUE(is_gone(processes.at(0)));
}

TEST(Launch, TheRankThatDiedFirstIsNamedNotThoseThatFollow) {
  Recorder recorder;
  const LaunchResult result =
      launch(shell("trap 'exit 9' TERM; if [ $RANK = 2 ]; then kill -KILL $$; fi; "
                   "while :; do sleep 1000 & wait; done",
                   3),
             recorder);
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->rank, 2U);
  EXPECT_EQ(result.failure->signal, SIGKILL);
  EXPECT_THAT(describe(*result.failure), HasSubstr("was killed by signal 9 (Killed)"));
  EXPECT_THAT(describe(*result.failure), HasSubstr("it wrote nothing on stderr"));
}

TEST(Launch, KeepsTheLastLinesOfStderr) {
  Recorder recorder;
  const LaunchResult result = launch(shell("seq 100 >&2; exit 1", 1), recorder);
  ASSERT_TRUE(result.failure);
  EXPECT_THAT(result.failure->stderr_tail, testing::StartsWith("81\n82\n"));
  EXPECT_THAT(result.failure->stderr_tail, testing::EndsWith("\n100\n"));
}

TEST(Launch, KillsWhatDoesNotEndWhenAsked) {
  Recorder recorder;
  LaunchOptions options = shell(
      "trap '' TERM; if [ $RANK = 0 ]; then exit 1; fi; "
      "while :; do sleep 1000; done");
  options.grace = 10ms;
  const LaunchResult result = launch(options, recorder);
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->rank, 0U);
  EXPECT_TRUE(is_gone(recorder.processes[1].at(0)));
}

TEST(Launch, RestartsAllRanksAsOftenAsItMay) {
  Recorder recorder;
  LaunchOptions options = shell(
      "echo start $TORCHELASTIC_RESTART_COUNT of "
      "$TORCHELASTIC_MAX_RESTARTS; "
      "if [ $RANK = 1 -a $TORCHELASTIC_RESTART_COUNT -lt 2 ]; then exit 5; "
      "elif [ $TORCHELASTIC_RESTART_COUNT -lt 2 ]; then exec sleep 1000; fi");
  options.max_restarts = 4;
  const LaunchResult result = launch(options, recorder);
  EXPECT_FALSE(result.failure);
  EXPECT_EQ(result.restarts, 2U);
  EXPECT_THAT(recorder.out(1), ElementsAre("start 0 of 4", "start 1 of 4", "start 2 of 4"));
  EXPECT_THAT(recorder.restarts, ElementsAre(std::pair<std::size_t, std::size_t>(1, 1),
                                             std::pair<std::size_t, std::size_t>(2, 1)));
  options.max_restarts = 1;
  const LaunchResult given_up = launch(options, recorder);
  ASSERT_TRUE(given_up.failure);
  EXPECT_EQ(given_up.restarts, 1U);
}

TEST(Launch, StopsWhenAskedAndThatIsNoFailure) {
  Recorder recorder;
  std::stop_source stop;
  recorder.on_line_ = [&](std::string_view line) {
    if (line == "ready") stop.request_stop();
  };
  LaunchOptions options = shell("echo ready; exec sleep 1000");
  options.stop = stop.get_token();
  options.max_restarts = 3;
  const LaunchResult result = launch(options, recorder);
  EXPECT_TRUE(result.stopped);
  EXPECT_FALSE(result.failure);
  EXPECT_EQ(result.restarts, 0U);
}

TEST(Launch, KillsAtOnceWhenAsked) {
  Recorder recorder;
  std::stop_source stop;
  std::stop_source kill;
  recorder.on_line_ = [&](std::string_view line) {
    if (line == "ready") stop.request_stop();
    if (line == "not yet") kill.request_stop();
  };
  LaunchOptions options =
      shell("trap 'echo not yet' TERM; echo ready; while :; do sleep 1000 & wait; done", 1);
  options.stop = stop.get_token();
  options.kill = kill.get_token();
  EXPECT_TRUE(launch(options, recorder).stopped);
  EXPECT_THAT(recorder.out(0), ElementsAre("ready", "not yet"));
}

TEST(Launch, NothingThatARankStartedOutlivesTheRun) {
  const Note note;
  Recorder recorder;
  // A daemon: in a session of its own, its parent gone, deaf to SIGTERM.
  launch(shell("setsid sh -c 'trap \"\" TERM; echo $$ >> " + note.path() +
                   "; while :; do sleep 1000; done' & until [ -s " + note.path() +
                   " ]; do sleep 0.01; done",
               1),
         recorder);
  const std::vector<pid_t> daemons = note.numbers();
  ASSERT_EQ(daemons.size(), 1U);
  EXPECT_TRUE(is_gone(daemons[0]));
}

TEST(Launch, NothingIsLeftWhenTheProgramIsKilled) {
  const Note note;
  const std::string started = "echo $$ >> " + note.path();
  const pid_t launcher = ::fork();
  ASSERT_GE(launcher, 0);
  if (launcher == 0) {
    Recorder recorder;
    recorder.on_line_ = [](std::string_view line) {
      if (line == "ready") ::kill(::getpid(), SIGKILL);
    };
    // Rank 1 says ready when both ranks and their children are there.
    launch(shell("trap '' TERM HUP; " + started + "; setsid sh -c 'trap \"\" TERM; " + started +
                 "; while :; do sleep 1000; done' & if [ $RANK = 1 ]; then until [ $(wc -l < " +
                 note.path() +
                 ") = 4 ]; do sleep 0.01; done; echo ready; fi; "
                 "while :; do sleep 1000; done"),
           recorder);
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(launcher, &status, 0), launcher);
  ASSERT_TRUE(WIFSIGNALED(status));
  const std::vector<pid_t> processes = note.numbers();
  ASSERT_EQ(processes.size(), 4U);
  for (const pid_t process : processes) EXPECT_TRUE(ends(process)) << process;
}

TEST(Launch, RefusesWhatCannotBeStarted) {
  Recorder recorder;
  EXPECT_THROW(launch({.command = {}}, recorder), core::InvalidArgument);
  EXPECT_THROW(launch({.command = {"/no/such/program"}}, recorder), core::InvalidArgument);
  EXPECT_THROW(launch({.command = {"no-such-program-anywhere"}}, recorder), core::InvalidArgument);
  EXPECT_THROW(launch({.command = {"/etc/passwd"}}, recorder), core::InvalidArgument);
  EXPECT_THROW(launch({.command = {"true"}, .ranks = 0}, recorder), core::InvalidArgument);
  EXPECT_THROW(launch({.command = {"true"}, .nodes = 2}, recorder), core::InvalidArgument);
  EXPECT_THROW(launch({.command = {"true"}, .nodes = 2, .node_rank = 2}, recorder),
               core::InvalidArgument);
}

TEST(Launch, AFileThatIsNoProgramFailsWithAReason) {
  const Note note;
  std::ofstream(note.path()) << "\x7f not a program";
  fs::permissions(note.path(), fs::perms::owner_all);
  Recorder recorder;
  const LaunchResult result = launch({.command = {note.path()}}, recorder);
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->exit_code, 126);
  EXPECT_THAT(result.failure->stderr_tail, HasSubstr("cannot execute"));
}

TEST(Launch, LeavesNoDescriptorOpen) {
  const auto open = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  Recorder recorder;
  launch(shell("exit 0", 4), recorder);
  const auto before = open();
  launch(shell("exit 1", 4), recorder);
  launch(shell("exit 0", 4), recorder);
  EXPECT_EQ(open(), before);
}

TEST(Launch, RanksInheritNothingButTheirStreams) {
  Recorder recorder;
  launch(shell("ls /proc/self/fd | wc -l", 1), recorder);
  EXPECT_THAT(recorder.out(0), ElementsAre("4"));  // 0, 1, 2 and the folder that ls reads
}

}  // namespace
}  // namespace mutirao::launch
