#include "mutirao/train/train.hpp"

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/train/internal/history.hpp"
#include "mutirao/train/internal/run.hpp"
#include "mutirao/train/run_folder.hpp"

namespace mutirao::train {
namespace {

/// Throws when config.json asks for something else than the run began with.
void check_same_options(const TrainConfig& now, const TrainConfig& before, const std::string& run) {
  const Json changed = to_json(now);
  const Json began = to_json(before);
  std::set<std::string> keys;
  for (const Json& json : {changed, began}) {
    for (const auto& [key, value] : json.items()) keys.insert(key);
  }
  for (const std::string& key : keys) {
    const Json new_value = changed.value(key, Json());
    const Json old_value = began.value(key, Json());
    if (new_value == old_value) continue;
    throw core::InvalidInput(
        fmt::format("the options of the run {} have changed: it began with {} {}, and config.json "
                    "says {}",
                    run, key, old_value.dump(), new_value.dump()),
        "put config.json back as it was, or train again into another folder");
  }
}

void check_same_program(const std::string& version, const std::string& run) {
  if (version == MUTIRAO_VERSION) return;
  throw core::InvalidInput(fmt::format("the run {} was begun by mutirao {}, and this is {}", run,
                                       version, MUTIRAO_VERSION),
                           "go on with that version, or train again into another folder");
}

}  // namespace

RunResult train(const TrainConfig& config, const TrainOptions& options) {
  check(config);
  RunFolder folder(options.out.empty() ? default_run_path(config.data) : options.out, config);
  return internal::Run(folder, config, options, {}).go();
}

RunResult resume(const std::string& run, const TrainOptions& options) {
  RunFolder folder(RunFolder::Existing{}, run);
  internal::History history =
      internal::read_history(folder.earlier_events(), folder.inside("events.jsonl"));
  std::optional<TrainConfig> config;
  if (history.started) check_same_program(history.version, run);
  config = folder.config();
  if (history.started) {
    if (config) check_same_options(*config, history.config, run);
    config = history.config;
  }
  if (!config) {
    throw core::InvalidInput(fmt::format("the run {} had not begun when it ended", run),
                             "train again into another folder");
  }
  check(*config);
  if (history.complete) {
    std::error_code error;
    std::filesystem::remove_all(folder.inside("folds"), error);
    return read_run(run);
  }
  folder.set_elapsed_before(history.elapsed);
  return internal::Run(folder, *config, options, std::move(history)).go();
}

}  // namespace mutirao::train
