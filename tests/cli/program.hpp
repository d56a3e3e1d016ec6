#pragma once

// Runs the program as a user would, and looks at what it says.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include <nlohmann/json.hpp>

namespace mutirao::tests {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

struct Outcome {
  int code = -1;  // 128 + signal if one ended it
  std::string out;
  std::string err;

  nlohmann::ordered_json json() const { return nlohmann::ordered_json::parse(out); }
};

/// The program while it runs. Its standard input is empty.
class Program {
 public:
  Program(const std::vector<std::string>& arguments, const std::filesystem::path& folder,
          const std::vector<std::string>& environment = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  /// Reads stderr until `text` has come; the line that holds it, or nothing at the end.
  std::optional<std::string> wait_for_line(const std::string& text);
  void send_signal(int signal) const;
  Outcome wait();

 private:
  bool read_more();

  pid_t process_ = 0;
  int out_ = -1;
  int err_ = -1;
  std::string out_text_;
  std::string err_text_;
};

/// A folder of its own for each test, with the program at hand.
class Workplace {
 public:
  Workplace();
  ~Workplace();
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  /// Writes a file; gives its name as the program is to be told.
  std::string write(const std::string& name, const std::string& content) const;
  std::string read(const std::string& name) const;
  bool exists(const std::string& name) const;
  /// Names of what is in the folder, sorted.
  std::vector<std::string> content() const;
  Outcome run(const std::vector<std::string>& arguments,
              const std::vector<std::string>& environment = {}) const;

 private:
  std::filesystem::path path_;
};

/// The shipped table.
std::string diamonds();

/// A CSV of numbers that models can learn from: columns a, b, c (text), y.
std::string small_table(int rows);

/// A CSV of classes that models can learn: columns a, b, c (text), g (text, a group of four rows
/// each) and y, yes or no.
std::string labelled_table(int rows);

}  // namespace mutirao::tests
