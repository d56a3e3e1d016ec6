#include "program.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace mutirao::tests {
namespace {

namespace fs = std::filesystem;

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  all.reserve(texts.size() + 1);
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

}  // namespace

Program::Program(const std::vector<std::string>& arguments, const fs::path& folder,
                 const std::vector<std::string>& environment) {
  std::vector<std::string> words = {MUTIRAO_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> variables = environment;
  for (char** each = environ; *each != nullptr; ++each) variables.emplace_back(*each);

  int out[2];
  int err[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0)
    throw std::runtime_error("no pipes");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  ::posix_spawn_file_actions_adddup2(&actions, err[1], 2);
  ::posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  const int error = ::posix_spawn(&process_, MUTIRAO_PROGRAM, &actions, nullptr,
                                  pointers(words).data(), pointers(variables).data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(out[1]);
  ::close(err[1]);
  out_ = out[0];
  err_ = err[0];
  if (error != 0) throw std::runtime_error("cannot start " MUTIRAO_PROGRAM);
}

Program::~Program() {
  if (process_ != 0) {
    ::kill(process_, SIGKILL);
    wait();
  }
}

bool Program::read_more() {
  pollfd both[] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
  if (out_ < 0 && err_ < 0) return false;
  if (::poll(both, 2, -1) < 0) return errno == EINTR;
  for (int i = 0; i < 2; ++i) {
    if (both[i].revents == 0) continue;
    int& fd = i == 0 ? out_ : err_;
    char buffer[4096];
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count > 0) {
      (i == 0 ? out_text_ : err_text_).append(buffer, static_cast<std::size_t>(count));
    } else {
      ::close(fd);
      fd = -1;
    }
  }
  return true;
}

std::optional<std::string> Program::wait_for_line(const std::string& text) {
  for (;;) {
    const std::size_t at = err_text_.find(text);
    const std::size_t end = at == std::string::npos ? at : err_text_.find('\n', at);
    if (end != std::string::npos) {
      const std::size_t begin = err_text_.rfind('\n', at);
      const std::size_t first = begin == std::string::npos ? 0 : begin + 1;
      return err_text_.substr(first, end - first);
    }
    if (!read_more()) return std::nullopt;
  }
}

void Program::send_signal(int signal) const { ::kill(process_, signal); }

Outcome Program::wait() {
  while (read_more()) {
  }
  int status = 0;
  ::waitpid(process_, &status, 0);
  process_ = 0;
  return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          .out = out_text_,
          .err = err_text_};
}

Workplace::Workplace() {
  std::string pattern = (fs::temp_directory_path() / "mutirao-cli-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = pattern;
}

Workplace::~Workplace() {
  std::error_code error;
  fs::remove_all(path_, error);
}

std::string Workplace::write(const std::string& name, const std::string& content) const {
  fs::create_directories((path_ / name).parent_path());
  std::ofstream(path_ / name, std::ios::binary) << content;
  return name;
}

std::string Workplace::read(const std::string& name) const {
  std::ifstream file(path_ / name, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool Workplace::exists(const std::string& name) const { return fs::exists(path_ / name); }

std::vector<std::string> Workplace::content() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path_))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

Outcome Workplace::run(const std::vector<std::string>& arguments,
                       const std::vector<std::string>& environment) const {
  return Program(arguments, path_, environment).wait();
}

std::string diamonds() { return MUTIRAO_SOURCE_DIR "/examples/data/diamonds.csv.gz"; }

std::string small_table(int rows) {
  std::string text = "a,b,c,y\n";
  unsigned state = 12345;
  const auto next = [&state] { return state = state * 1103515245U + 12345U, state >> 16 & 1023U; };
  for (int row = 0; row < rows; ++row) {
    const unsigned a = next();
    const unsigned b = next();
    const char* c = row % 3 == 0 ? "red" : row % 3 == 1 ? "green" : "blue";
    text += std::to_string(a) + "," + std::to_string(b) + "," + c + "," +
            std::to_string(3 * a + b / 2 + (row % 3) * 100) + ".5\n";
  }
  return text;
}

std::string labelled_table(int rows) {
  std::string text = "a,b,c,g,y\n";
  unsigned state = 54321;
  const auto next = [&state] { return state = state * 1103515245U + 12345U, state >> 16 & 1023U; };
  for (int row = 0; row < rows; ++row) {
    const unsigned a = next();
    const unsigned b = next();
    const char* c = row % 3 == 0 ? "red" : row % 3 == 1 ? "green" : "blue";
    const bool yes = 2 * a + b + (row % 3) * 200 > 1700;
    text += std::to_string(a) + "," + std::to_string(b) + "," + c + ",g" + std::to_string(row / 4) +
            "," + (yes ? "yes" : "no") + "\n";
  }
  return text;
}

}  // namespace mutirao::tests
