#include <memory>
#include <string>

#include "cli/commands.hpp"
#include "cli/follow_run.hpp"
#include "mutirao/train/train.hpp"

namespace mutirao::cli {

Action add_resume(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("resume", "Go on with a run that was interrupted, killed or out of time");
  const auto typed = std::make_shared<FollowOptions>();
  command->add_option("run", typed->run, "a run folder")->required();
  command->add_flag("--json", typed->json, "print the result as one JSON object");
  command->add_flag("--quiet", typed->quiet, "say nothing on stderr but errors");
  return [typed] {
    return follow_run(*typed, [typed](const train::TrainOptions& options) {
      return train::resume(typed->run, options);
    });
  };
}

}  // namespace mutirao::cli
