#include <memory>
#include <string>

#include "cli/commands.hpp"
#include "mutirao/report/leaderboard.hpp"
#include "mutirao/train/run_folder.hpp"

namespace mutirao::cli {
namespace {

struct Typed {
  std::string run;
  bool json = false;
};

int run(const Typed& typed) {
  const train::RunResult result = train::read_run(typed.run);
  print_result(typed.json ? train::to_json(result).dump(2) + "\n"
                          : report::leaderboard_table(result));
  if (result.stopped && !typed.json) {
    print_note(*result.stopped == "time_limit"
                   ? "the time limit ended this run"
                   : "this run was interrupted: candidates that were not done are missing");
    print_note("go on with: mutirao resume " + typed.run);
  }
  return kSuccess;
}

}  // namespace

Action add_show(CLI::App& app) {
  CLI::App* command = app.add_subcommand("show", "Show the leaderboard of a run");
  const auto typed = std::make_shared<Typed>();
  command->add_option("run", typed->run, "a run folder")->required();
  command->add_flag("--json", typed->json, "print the JSON object that train --json prints");
  return [typed] { return run(*typed); };
}

}  // namespace mutirao::cli
