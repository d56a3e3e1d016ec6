#pragma once

// Starts the program of child/ and looks at what it leaves behind.

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace mutirao::exec {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

/// One run. Whatever process it leaves becomes a child of this test, so that none can be missed.
class Program {
 public:
  using Prepare = std::function<bool()>;

  /// `prepare` runs in the child before it is executed; when it says no, the child exits with 99.
  Program(bool thread_first, std::vector<std::string> arguments, const Prepare& prepare = nullptr,
          const char* file = MUTIRAO_TEST_PROGRAM) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    int ends[2];
    int input[2];
    if (::pipe2(ends, O_CLOEXEC) != 0 || ::pipe2(input, O_CLOEXEC) != 0) std::abort();
    arguments.insert(arguments.begin(), file);
    std::vector<char*> pointers;
    for (std::string& each : arguments) pointers.push_back(each.data());
    pointers.push_back(nullptr);
    process_ = ::fork();
    if (process_ == 0) {
      ::dup2(input[0], STDIN_FILENO);
      ::dup2(ends[1], STDOUT_FILENO);
      if (thread_first) ::setenv("MUTIRAO_TEST_THREAD_FIRST", "1", 1);
      if (prepare != nullptr && !prepare()) ::_exit(99);
      ::execv(file, pointers.data());
      ::_exit(98);
    }
    ::close(ends[1]);
    ::close(input[0]);
    output_ = ends[0];
    input_ = input[1];
  }
  ~Program() {
    ::close(output_);
    ::close(input_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// The next line of its standard output; empty at the end.
  std::string line() {
    std::string text;
    for (char next; ::read(output_, &next, 1) == 1 && next != '\n';) text += next;
    return text;
  }
  void write(const std::string& text) const {
    if (::write(input_, text.data(), text.size()) < 0) ADD_FAILURE() << "it does not read";
  }
  void send(int signal) const { ::kill(process_, signal); }

  void wait_until_stopped() const {
    int status = 0;
    while (::waitpid(process_, &status, WUNTRACED) < 0 && errno == EINTR) {
    }
    EXPECT_TRUE(WIFSTOPPED(status));
  }
  /// Waits for its end. What it exited with, or minus the signal.
  int wait() {
    int status = 0;
    while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  /// Waits until no process of it is left: for ever, if one stays.
  static void wait_until_nothing_is_left() {
    while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
    }
  }

 private:
  pid_t process_ = 0;
  int output_ = -1;
  int input_ = -1;
};

/// Every test of it runs with workers that are forked and with workers that are executed.
class ProgramTest : public ::testing::TestWithParam<bool> {
 protected:
  static bool thread_first() { return GetParam(); }
  void TearDown() override { Program::wait_until_nothing_is_left(); }
};

}  // namespace mutirao::exec
