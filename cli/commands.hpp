#pragma once

// The commands of the program. Each adds its options to the application; what it returns runs when
// that command was chosen, and gives the exit code.

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

namespace mutirao::cli {

/// What a program may end with. 130 is 128 + SIGINT, as shells have it.
enum ExitCode : int {
  kSuccess = 0,
  kFailure = 1,     // nothing finished, disk full, internal error
  kBadInput = 2,    // usage or input
  kSomeFailed = 3,  // some candidates failed, the rest stand
  kInterrupted = 130
};

using Action = std::function<int()>;

Action add_train(CLI::App& app);
Action add_predict(CLI::App& app);
Action add_export(CLI::App& app);
Action add_show(CLI::App& app);
Action add_resume(CLI::App& app);
Action add_compare(CLI::App& app);
Action add_models(CLI::App& app);
Action add_launch(CLI::App& app);
Action add_doctor(CLI::App& app);

/// Writes the result of a command to stdout; throws core::IoError when it does not arrive.
void print_result(const std::string& text);
/// One line to stderr, after "mutirao: ".
void print_note(const std::string& text);

}  // namespace mutirao::cli
