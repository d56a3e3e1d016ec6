#include "mutirao/train/run_folder.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "mutirao/core/clock.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/data/source.hpp"
#include "mutirao/train/candidates.hpp"
#include "mutirao/train/internal/disk_queue.hpp"
#include "mutirao/train/internal/history.hpp"

namespace mutirao::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigFile = "config.json";
constexpr const char* kEventsFile = "events.jsonl";

std::string utc_time(const char* format) {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, format, &parts)};
}

/// The folders that have to be made for `path`, outermost first.
std::vector<std::string> missing_folders(const fs::path& path) {
  std::vector<std::string> missing;
  std::error_code error;
  for (fs::path each = path; !each.empty() && !fs::exists(each, error); each = each.parent_path())
    missing.push_back(each.string());
  std::reverse(missing.begin(), missing.end());
  return missing;
}

/// Builds a result from events in their order.
class Replay {
 public:
  explicit Replay(const std::string& path) : where_((fs::path(path) / kEventsFile).string()) {
    result_.run = path;
    result_.stopped = "interrupted";
  }

  const std::string& where() const noexcept { return where_; }

  void take(const Json& event) {
    result_.seconds = event.at("elapsed").get<double>();
    const auto name = event.at("event").get<std::string>();
    if (name == "run_started") {
      start(event);
    } else if (name == "data_read") {
      read(event);
    } else if (name == "warning") {
      result_.warnings.push_back(event.at("text").get<std::string>());
    } else if (name == "candidate_ended") {
      take_row(event);
    } else if (name == "run_resumed") {
      result_.stopped = "interrupted";
    } else if (name == "run_ended") {
      result_.seconds = event.at("seconds").get<double>();
      result_.stopped.reset();
      if (!event.at("stopped").is_null()) result_.stopped = event["stopped"].get<std::string>();
    }
  }

  RunResult finish() {
    if (result_.version.empty())
      throw core::CorruptFile(fmt::format("{} does not begin with the start of a run", where_),
                              "name the folder of a run");
    // Candidates end when they end; equals stand in the order of the registry, and as given.
    const std::vector<CandidateName> names = candidates_of(config_, result_.task);
    const auto place = [&](const CandidateResult& row) {
      return std::find_if(names.begin(), names.end(),
                          [&](const CandidateName& name) { return name.label == row.model; }) -
             names.begin();
    };
    std::stable_sort(
        result_.leaderboard.begin(), result_.leaderboard.end(),
        [&](const CandidateResult& a, const CandidateResult& b) { return place(a) < place(b); });
    if (!result_.leaderboard.empty())
      rank(result_.leaderboard, models::find_metric(result_.metric, result_.task));
    return std::move(result_);
  }

 private:
  void start(const Json& event) {
    config_ = config_from_json(event.at("config"), where_);
    candidates_of(config_, data::Task::kRegression);  // throws for models that there are not
    result_.version = event.at("version").get<std::string>();
    result_.data = config_.data;
    result_.target = config_.target;
    if (config_.metric) models::has_metric(*config_.metric, data::Task::kRegression);
    result_.metric = config_.metric.value_or("");
    result_.seed = config_.seed;
  }

  /// A candidate may end again, when its run went on.
  void take_row(const Json& event) {
    CandidateResult row = candidate_result_from_json(event.at("candidate"), where_);
    if (event.contains("details")) row.details = details_from_json(event["details"], where_);
    const auto before =
        std::find_if(result_.leaderboard.begin(), result_.leaderboard.end(),
                     [&](const CandidateResult& each) { return each.model == row.model; });
    if (before == result_.leaderboard.end()) {
      result_.leaderboard.push_back(std::move(row));
    } else {
      *before = std::move(row);
    }
  }

  void read(const Json& event) {
    // The keys of a run's object, some of them; the others have their places elsewhere.
    Json object = to_json(result_);
    for (const char* key : {"task", "metric", "cores", "rows", "rows_dropped", "columns"})
      object[key] = event.at(key);
    for (const char* key : {"classes", "positive"}) {
      if (event.contains(key)) object[key] = event[key];
    }
    result_ = run_result_from_json(object, where_);
  }

  const std::string where_;
  TrainConfig config_;
  RunResult result_;
};

}  // namespace

std::string default_run_path(const std::string& data) {
  const std::string path =
      fmt::format("runs/{}-{}", data::short_name(data), utc_time("%Y%m%dT%H%M%SZ"));
  std::string free = path;
  std::error_code error;
  for (int number = 2; fs::exists(free, error); ++number) free = fmt::format("{}-{}", path, number);
  return free;
}

std::string one_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

RunFolder::RunFolder(std::string path, const TrainConfig& config)
    : path_(std::move(path)), disk_(std::make_unique<internal::DiskQueue>()) {
  std::error_code error;
  const fs::file_status status = fs::status(path_, error);
  if (fs::exists(status) && !fs::is_directory(status)) {
    throw core::InvalidArgument(fmt::format("{} is a file, not a folder for a run", path_),
                                "name another folder with --out");
  }
  if (fs::exists(status) && !fs::is_empty(path_, error)) {
    if (is_run_folder(path_)) {
      throw core::InvalidArgument(
          fmt::format("the folder {} holds a run", path_),
          fmt::format("go on with it: mutirao resume {}, or name another with --out", path_));
    }
    throw core::InvalidArgument(fmt::format("the folder {} is not empty", path_),
                                "a run needs a folder of its own: name another with --out");
  }
  const std::vector<std::string> missing = missing_folders(fs::path(path_).lexically_normal());
  try {
    for (const std::string& folder : missing) {
      if (!fs::create_directory(folder, error) && error) {
        throw core::IoError(fmt::format("cannot make the run folder {}", path_), error.value(),
                            "name a folder that can be written with --out");
      }
      made_.push_back(folder);
    }
    write_config(to_json(config));
    events_.emplace(inside(kEventsFile));
    lock();
  } catch (const core::IoError& failure) {
    const int number = failure.error_number();
    remove_made();
    throw core::IoError(fmt::format("cannot make the run folder {}", path_), number,
                        "name a folder that can be written with --out");
  }
}

RunFolder::RunFolder(Existing, std::string path)
    : path_(std::move(path)), keep_(true), disk_(std::make_unique<internal::DiskQueue>()) {
  if (!is_run_folder(path_)) {
    throw core::InvalidInput(fmt::format("{} is not the folder of a run", path_),
                             "name a folder that mutirao train has made");
  }
  try {
    events_.emplace(inside(kEventsFile));
  } catch (const core::IoError& failure) {
    throw core::IoError(fmt::format("cannot go on with the run {}", path_), failure.error_number(),
                        "make the folder one that can be written, or go on with a copy of it");
  }
  lock();
  earlier_events_ = core::read_file(inside(kEventsFile));
  const std::size_t whole = internal::whole_lines(earlier_events_);
  if (whole == earlier_events_.size()) return;
  events_->truncate(whole);
  earlier_events_.resize(whole);
}

void RunFolder::lock() {
  if (events_->try_lock()) return;
  std::string events = core::read_file(inside(kEventsFile));
  events.resize(internal::whole_lines(events));
  const internal::History history = internal::read_history(events, inside(kEventsFile));
  throw core::InvalidArgument(
      history.process.is_number()
          ? fmt::format("the run {} is being written to by process {} on {}", path_,
                        history.process.dump(), history.host)
          : fmt::format("the run {} is being written to by another process", path_),
      "wait until it has ended, or end it");
}

std::optional<TrainConfig> RunFolder::config() const {
  std::error_code error;
  const std::string path = inside(kConfigFile);
  if (!fs::exists(path, error)) return std::nullopt;
  return read_config(path);
}

void RunFolder::describe(const TrainConfig& config, const Json& made_by) {
  Json json = to_json(config);
  json[kMadeBy] = made_by;
  write_config(json);
}

void RunFolder::write_config(const Json& json) const {
  core::AtomicFile file(inside(kConfigFile));
  file.write(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  file.commit();
}

void RunFolder::make_folder(const std::string& relative) const {
  std::error_code error;
  fs::create_directory(inside(relative), error);
  if (error) throw core::IoError("cannot make " + inside(relative), error.value());
}

RunFolder::~RunFolder() {
  if (!keep_) remove_made();
}

void RunFolder::remove_made() const {
  std::error_code error;
  for (const char* name : {kConfigFile, kEventsFile}) fs::remove(inside(name), error);
  // Folders in which somebody else has put something meanwhile stay.
  for (auto folder = made_.rbegin(); folder != made_.rend(); ++folder) fs::remove(*folder, error);
}

std::string RunFolder::inside(const std::string& relative) const {
  return (fs::path(path_) / relative).string();
}

double RunFolder::elapsed() const { return elapsed_before_ + core::seconds_since(start_); }

Json RunFolder::append(const std::string& event, const Json& fields) {
  Json json;
  json["event"] = event;
  json["time"] = utc_time("%Y-%m-%dT%H:%M:%SZ");
  json["elapsed"] = elapsed();
  json.update(fields);
  if (!events_->in_place()) {
    throw core::IoError(fmt::format("the run folder {} was removed, or moved, in mid run", path_),
                        ENOENT, "train again, and leave the folder alone meanwhile");
  }
  events_->append_line(one_line(json));
  return json;
}

void RunFolder::sync_soon(const std::vector<std::string>& relative) {
  for (const std::string& each : relative) disk_->put(inside(each));
  disk_->put(inside(kEventsFile));
}

void RunFolder::sync() {
  sync_soon();
  disk_->wait();
}

RunResult read_run(const std::string& path) {
  if (!is_run_folder(path)) {
    throw core::InvalidInput(fmt::format("{} is not the folder of a run", path),
                             "name a folder that mutirao train has made");
  }
  Replay replay(path);
  // A last line without a line break was being written when the run was killed.
  internal::for_each_event(core::read_file(replay.where()), replay.where(),
                           [&](const Json& event) { replay.take(event); });
  return replay.finish();
}

bool is_run_folder(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(fs::path(path) / kEventsFile, error);
}

}  // namespace mutirao::train
