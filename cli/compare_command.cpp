#include <memory>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "mutirao/report/comparison.hpp"
#include "mutirao/train/run_folder.hpp"

namespace mutirao::cli {
namespace {

struct Typed {
  std::vector<std::string> runs;
  bool json = false;
};

int run(const Typed& typed) {
  std::vector<train::RunResult> results;
  for (const std::string& run : typed.runs) results.push_back(train::read_run(run));
  const report::Comparison comparison = report::compare(results);
  if (typed.json) {
    print_result(report::to_json(comparison).dump(2) + "\n");
    return kSuccess;
  }
  for (const std::string& note : comparison.notes) print_note(note);
  print_result(report::comparison_table(comparison));
  return kSuccess;
}

}  // namespace

Action add_compare(CLI::App& app) {
  CLI::App* command = app.add_subcommand("compare", "Show the leaderboards of runs side by side");
  const auto typed = std::make_shared<Typed>();
  command->add_option("runs", typed->runs, "two run folders or more")
      ->required()
      ->expected(2, 1000)
      ->type_name("RUN RUN...");
  command->add_flag("--json", typed->json, "print one JSON object");
  return [typed] { return run(*typed); };
}

}  // namespace mutirao::cli
