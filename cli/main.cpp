// The program `mutirao`: reads the command line, runs one command, turns errors into exit codes.

#include <cctype>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "cli/commands.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/suggestion.hpp"
#include "mutirao/exec/runtime.hpp"

namespace mutirao::cli {
namespace {

int report(const std::exception& error, int code) {
  fmt::print(stderr, "mutirao: error: {}\n", core::describe(error));
  return code;
}

int exit_code_of(core::ErrorCode code) {
  switch (code) {
    case core::ErrorCode::kInvalidArgument:
    case core::ErrorCode::kInvalidInput:
    case core::ErrorCode::kCorruptFile:
    case core::ErrorCode::kIo:
      return kBadInput;
    case core::ErrorCode::kCancelled:
      return kInterrupted;
    default:
      return kFailure;
  }
}

/// "--cores -2" as "--cores=-2": otherwise the number looks like an option. What stands behind
/// "launch" is for another program, and stays as it is.
std::vector<std::string> arguments_of(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string text = argv[i];
    const bool negative =
        text.size() > 1 && text[0] == '-' && std::isdigit(static_cast<unsigned char>(text[1])) != 0;
    const bool follows_option = !arguments.empty() && arguments.back().starts_with("--") &&
                                arguments.back().find('=') == std::string::npos;
    const bool launches = !arguments.empty() && arguments.front() == "launch";
    if (negative && follows_option && !launches) {
      arguments.back() += "=" + text;
    } else {
      arguments.push_back(text);
    }
  }
  return {arguments.rbegin(), arguments.rend()};  // the order in which CLI11 takes them
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  return names;
}

/// One sentence for a command line that CLI11 refuses.
core::InvalidArgument usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    const CLI::App& command = chosen.empty() ? app : *chosen.front();
    std::string unknown;
    for (const std::string& text : app.remaining(true)) {
      if (unknown.empty()) unknown = text;
    }
    unknown = unknown.substr(0, unknown.find('='));
    if (unknown.starts_with("-")) {
      return core::InvalidArgument(
          fmt::format("there is no option {}{}", unknown,
                      chosen.empty() ? "" : " of mutirao " + command.get_name()),
          core::suggestion(unknown, option_names(command), 40));
    }
    if (chosen.empty()) {
      return core::InvalidArgument(fmt::format("there is no command '{}'", unknown),
                                   core::suggestion(unknown, command_names(app)));
    }
    return core::InvalidArgument(fmt::format("'{}' is one argument too many", unknown),
                                 fmt::format("see mutirao {} --help", command.get_name()));
  }
  const std::string help = chosen.empty()
                               ? "mutirao --help"
                               : fmt::format("mutirao {} --help", chosen.front()->get_name());
  return core::InvalidArgument(error.what(), "see " + help);
}

int run(int argc, char** argv) {
  CLI::App app("mutirao trains many models on a table at once, each in a process of its own.",
               "mutirao");
  app.set_version_flag("--version", "mutirao " MUTIRAO_VERSION);
  app.require_subcommand(0, 1);
  app.get_formatter()->column_width(34);
  struct Entry {
    std::string name;
    Action run;
  };
  const std::vector<Entry> actions = {
      {"train", add_train(app)},   {"predict", add_predict(app)}, {"export", add_export(app)},
      {"show", add_show(app)},     {"compare", add_compare(app)}, {"resume", add_resume(app)},
      {"models", add_models(app)}, {"launch", add_launch(app)},   {"doctor", add_doctor(app)}};
  std::vector<std::string> arguments = arguments_of(argc, argv);
  try {
    app.parse(arguments);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    throw usage_error(app, error);
  }
  if (app.get_subcommands().empty()) {
    throw core::InvalidArgument("no command is given",
                                "mutirao train DATA --target COLUMN, or mutirao --help");
  }
  const std::string chosen = app.get_subcommands().front()->get_name();
  for (const Entry& entry : actions) {
    if (entry.name == chosen) return entry.run();
  }
  return kFailure;
}

}  // namespace
}  // namespace mutirao::cli

int main(int argc, char** argv) {
  using namespace mutirao;
  try {
    const exec::Runtime runtime(argc, argv);
    return cli::run(argc, argv);
  } catch (const core::Error& error) {
    return cli::report(error, cli::exit_code_of(error.code()));
  } catch (const std::bad_alloc&) {
    std::fputs("mutirao: error: no memory is left\n", stderr);
    return cli::kFailure;
  } catch (const std::exception& error) {
    return cli::report(error, cli::kFailure);
  }
}
