// The data of a run: reading it, and saying what was read.

#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/data/source.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/train/internal/run.hpp"

namespace mutirao::train::internal {

namespace fs = std::filesystem;

/// Where the data is: seen from the run folder as it was, if both have moved, else as it was typed.
std::string Run::data_path() const {
  if (!history_.data_read.contains("data_from_run")) return config_.data;
  const fs::path moved =
      fs::path(folder_.path()) / history_.data_read["data_from_run"].get<std::string>();
  std::error_code error;
  return fs::exists(moved, error) ? moved.lexically_normal().string() : config_.data;
}

/// Of a run that goes on: where its data is looked for.
void Run::check_data_is_there() const {
  if (history_.data_read.is_null() || data::is_query(config_.data) || data::is_glob(config_.data))
    return;
  const fs::path path = data_path();
  std::error_code error;
  if (fs::exists(path, error)) return;
  std::string hint = fmt::format("bring it back to {}", fs::absolute(path, error).string());
  if (history_.data_read.contains("data_from_run")) {
    hint += fmt::format(", or put it where it lay as seen from the run: {}",
                        history_.data_read["data_from_run"].get<std::string>());
  }
  throw core::InvalidInput(
      fmt::format("the data {} of the run {} is not there any more", config_.data, folder_.path()),
      hint);
}

void Run::read_data() {
  check_data_is_there();
  TrainConfig limited = config_;
  limited.cores = exec::CoreBudget::current().cores();
  limited.data = data_path();
  exec::Future<PreparedData> future =
      data_process_.submit({.name = "reading the data"}, prepare, limited);
  while (!future.wait_for(kLookEvery)) {
    on_look();
    const Stop asked = stop();
    if (asked == Stop::kNot) continue;
    data_process_.shutdown(exec::Shutdown::kKill);
    if (asked == Stop::kNow)
      throw core::Error(core::ErrorCode::kCancelled, "interrupted while the data was read");
    throw core::Error(
        core::ErrorCode::kTaskTimeout,
        fmt::format("the time limit of {} s came while the data was read", *config_.time_limit),
        "give more time with --time-limit");
  }
  try {
    data_ = future.get();
  } catch (const exec::TaskCrashed& crash) {
    throw core::InvalidInput(fmt::format("reading {} failed: {}", config_.data, crash.what()),
                             "check the data with another reader");
  }
  const std::size_t available = exec::available_cores();
  if (config_.cores.value_or(0) > available) {
    data_.warnings.insert(data_.warnings.begin(),
                          fmt::format("{} cores were asked for, and this process may use {}",
                                      *config_.cores, available));
  }
  metric_ = &metric_of(config_, data_.task);
}

void Run::check_same_data() const {
  if (history_.data_read.is_null() ||
      history_.data_read.value("fingerprint", "") == data_.fingerprint)
    return;
  const auto before = history_.data_read.at("rows").get<std::uint64_t>();
  throw core::InvalidInput(
      fmt::format("the data {} has changed since the run {} began: there {}", config_.data,
                  folder_.path(),
                  before == data_.rows()
                      ? "are other cells or columns"
                      : fmt::format("were {} rows, and now are {}", before, data_.rows())),
      "bring back the data as it was, or train again into another folder");
}

void Run::describe_data() {
  if (history_.data_read.is_null()) {
    RunResult shown;
    shown.columns = data_.selection.columns;
    Json read = {{"rows", data_.rows()},
                 {"rows_dropped", data_.rows_dropped},
                 {"task", data::name_of(data_.task)},
                 {"metric", metric_->name},
                 {"cores", exec::CoreBudget::current().cores()},
                 {"fingerprint", data_.fingerprint},
                 {"columns", to_json(shown)["columns"]}};
    if (data_.task == data::Task::kClassification) {
      read["classes"] = data_.classes.names;
      read["positive"] =
          data_.classes.size() == 2 ? Json(data_.classes.names[data_.positive]) : Json(nullptr);
    }
    if (!data::is_query(config_.data)) {
      std::error_code error;
      const fs::path from_run = fs::proximate(config_.data, folder_.path(), error);
      if (!error) read["data_from_run"] = from_run.string();
    }
    event("data_read", read);
    folder_.describe(config_, {{"version", MUTIRAO_VERSION},
                               {"duckdb", data_.reader},
                               {"data_fingerprint", data_.fingerprint}});
  }
  for (const std::string& note : data_.notes) say("note", note);
  for (const std::string& warning : data_.warnings) say("warning", warning);
}

void Run::say(const std::string& name, const std::string& text) {
  const std::set<std::string>& said = name == "note" ? history_.notes : history_.warnings;
  if (!said.contains(text)) event(name, {{"text", text}});
}

}  // namespace mutirao::train::internal
