#include "mutirao/train/train.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <exception>
#include <filesystem>
#include <limits>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mutirao/core/error.hpp"
#include "mutirao/data/source.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/exec/process_executor.hpp"
#include "mutirao/models/metrics.hpp"
#include "mutirao/models/registry.hpp"
#include "mutirao/train/internal/failure.hpp"
#include "mutirao/train/internal/fit_tasks.hpp"
#include "mutirao/train/internal/out_of_fold.hpp"
#include "mutirao/train/internal/prepared_data.hpp"
#include "mutirao/train/run_folder.hpp"

namespace mutirao::train {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr auto kLookEvery = 100ms;
constexpr auto kLookForStartEvery = 20ms;
constexpr std::size_t kMostWarnings = 3;  // of one candidate

double mean_of(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double value : values) sum += value;
  return values.empty() ? kNaN : sum / static_cast<double>(values.size());
}

double deviation_of(const std::vector<double>& values) {
  if (values.size() < 2) return kNaN;
  const double mean = mean_of(values);
  double squares = 0.0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

/// Thrown where a candidate is given up because the run stops.
struct Stopped {};

/// Holds the program to so many cores, until the run that asked for it is over.
class CoreLimit {
 public:
  explicit CoreLimit(std::optional<std::size_t> cores)
      : before_(exec::CoreBudget::current().cores()) {
    if (cores) exec::CoreBudget::current().limit(std::min(*cores, exec::available_cores()));
  }
  ~CoreLimit() { exec::CoreBudget::current().limit(before_); }
  CoreLimit(const CoreLimit&) = delete;
  CoreLimit& operator=(const CoreLimit&) = delete;

 private:
  const std::size_t before_;
};

// One run: the thread that called train() and one driver thread per candidate under way.
//
//   train() --- reads the data in a worker process of its own, then watches
//     driver --- ProcessExecutor with one worker: the process of candidate 1
//     driver --- ProcessExecutor with one worker: the process of candidate 2
//
// A driver gives its candidate's process one fold after the other, then the final fit, then takes
// the next candidate. Cores flow between the processes through the core budget.
class Run {
 public:
  Run(const TrainConfig& config, const TrainOptions& options)
      : config_(config),
        options_(options),
        folds_(fold_count(config)),
        folder_(options.out.empty() ? default_run_path(config.data) : options.out, config),
        core_limit_(config.cores) {}

  RunResult go() {
    warn_of_too_many_cores();
    event("run_started", {{"version", MUTIRAO_VERSION}, {"config", to_json(config_)}});
    read_data();
    folder_.keep();
    std::error_code error;
    fs::create_directory(folder_.inside("models"), error);
    if (error) throw core::IoError("cannot make " + folder_.inside("models"), error.value());
    train_candidates();
    write_predictions();
    return finish();
  }

 private:
  struct UnderWay {
    CandidateProgress progress;
    std::set<std::string> said;  // warnings
    std::chrono::steady_clock::time_point start;
  };

  void warn_of_too_many_cores() {
    const std::size_t available = exec::available_cores();
    if (config_.cores.value_or(0) > available) {
      data_.warnings.push_back(fmt::format("{} cores were asked for, and this process may use {}",
                                           *config_.cores, available));
    }
  }

  /// Records and shows one event. Wants the mutex held, once drivers run.
  void event(const std::string& name, const Json& fields) {
    const Json json = folder_.append(name, fields);
    if (options_.observer != nullptr) options_.observer->on_event(json);
  }

  void read_data() {
    TrainConfig limited = config_;
    limited.cores = exec::CoreBudget::current().cores();
    exec::Future<internal::PreparedData> future =
        data_process_.submit({.name = "reading the data"}, internal::prepare, limited);
    while (!future.wait_for(kLookEvery)) {
      if (options_.observer != nullptr) options_.observer->on_progress({});
      if (options_.stop.stop_requested()) {
        data_process_.shutdown(exec::Shutdown::kKill);
        throw core::Error(core::ErrorCode::kCancelled, "interrupted while the data was read");
      }
    }
    std::vector<std::string> warnings = std::move(data_.warnings);
    try {
      data_ = future.get();
    } catch (const exec::TaskCrashed& crash) {
      throw core::InvalidInput(fmt::format("reading {} failed: {}", config_.data, crash.what()),
                               "check the data with another reader");
    }
    data_.warnings.insert(data_.warnings.begin(), warnings.begin(), warnings.end());
    RunResult shown;
    shown.columns = data_.selection.columns;
    metric_ = &metric_of(config_, data_.task);
    Json read = {{"rows", data_.rows()},
                 {"rows_dropped", data_.rows_dropped},
                 {"task", data::name_of(data_.task)},
                 {"metric", metric_->name},
                 {"cores", exec::CoreBudget::current().cores()},
                 {"columns", to_json(shown)["columns"]}};
    if (data_.task == data::Task::kClassification) {
      read["classes"] = data_.classes.names;
      read["positive"] =
          data_.classes.size() == 2 ? Json(data_.classes.names[data_.positive]) : Json(nullptr);
    }
    event("data_read", read);
    for (const std::string& note : data_.notes) event("note", {{"text", note}});
    for (const std::string& warning : data_.warnings) event("warning", {{"text", warning}});
  }

  void train_candidates() {
    waiting_ = candidates_of(config_, data_.task);
    const auto rows = static_cast<double>(data_.rows());
    const auto columns = static_cast<double>(data_.selection.features.size());
    const auto work = [&](const std::string& name) {
      return models::find_estimator(name, data_.task).work(rows, columns);
    };
    std::stable_sort(waiting_.begin(), waiting_.end(),
                     [&](const std::string& a, const std::string& b) { return work(a) > work(b); });
    const std::size_t drivers = std::min(waiting_.size(), exec::CoreBudget::current().cores());
    driving_ = drivers;
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < drivers; ++i) threads.emplace_back([this] { drive(); });
    watch();
  }

  /// Shows progress until the last driver has ended.
  void watch() {
    std::unique_lock lock(mutex_);
    while (!driver_ended_.wait_for(lock, kLookEvery, [this] { return driving_ == 0; })) {
      if (options_.observer == nullptr) continue;
      std::vector<CandidateProgress> running;
      for (UnderWay& each : under_way_) {
        each.progress.seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - each.start).count();
        running.push_back(each.progress);
      }
      options_.observer->on_progress(running);
    }
  }

  void drive() {
    for (;;) {
      std::list<UnderWay>::iterator mine;
      {
        const std::lock_guard lock(mutex_);
        if (waiting_.empty() || stopping()) {
          if (--driving_ == 0) driver_ended_.notify_all();
          return;
        }
        mine = under_way_.insert(under_way_.end(), UnderWay{});
        mine->progress.model = waiting_.front();
        mine->progress.folds = folds_;
        mine->start = std::chrono::steady_clock::now();
        waiting_.erase(waiting_.begin());
      }
      std::optional<CandidateResult> row;
      std::exception_ptr failure;
      try {
        row = run_candidate(*mine);
      } catch (const Stopped&) {
      } catch (...) {
        failure = std::current_exception();
      }
      const std::lock_guard lock(mutex_);
      under_way_.erase(mine);
      try {
        if (row) {
          Json ended = {{"candidate", to_json(*row)}};
          if (const Json details = to_json(row->details); !details.empty())
            ended["details"] = details;
          event("candidate_ended", ended);
        }
      } catch (...) {
        failure = std::current_exception();
      }
      if (failure && !failure_) failure_ = failure;
    }
  }

  /// Whether the run is to end before its time.
  bool stopping() const { return options_.stop.stop_requested() || failure_ != nullptr; }

  CandidateResult run_candidate(UnderWay& mine) {
    const internal::Candidate candidate{.model = mine.progress.model,
                                        .parameters = parameters_of(mine.progress.model),
                                        .seed = config_.seed};
    CandidateResult row;
    row.model = candidate.model;
    row.baseline = candidate.model == kBaseline;
    row.params =
        models::make_estimator(candidate.model, candidate.parameters, data_.task)->parameters();
    row.score = row.score_std = kNaN;
    internal::OutOfFold found(data_);
    try {
      exec::ProcessExecutor process({.workers = 1});
      score(candidate, process, mine, row, found);
      save(candidate, process, mine, row);
    } catch (const Stopped&) {
      throw;
    } catch (const core::Error& error) {
      if (error.code() == core::ErrorCode::kOutOfSpace) throw;
      internal::describe_failure(row);
    } catch (...) {
      internal::describe_failure(row);
    }
    if (row.status != CandidateStatus::kOk) {
      remove_unfinished(row.model);
      row.score = row.score_std = kNaN;
      return row;
    }
    CandidateDetails details = internal::details_of(data_, found);
    details.importances = std::move(row.details.importances);
    row.details = std::move(details);
    const std::lock_guard lock(mutex_);
    found_.emplace(row.model, std::move(found));
    return row;
  }

  models::ParameterMap parameters_of(const std::string& model) const {
    const auto found = config_.set.find(model);
    return found == config_.set.end() ? models::ParameterMap{} : found->second;
  }

  void score(const internal::Candidate& candidate, exec::ProcessExecutor& process, UnderWay& mine,
             CandidateResult& row, internal::OutOfFold& found) {
    const std::vector<models::Metric>& all = models::metrics(data_.task);
    std::vector<std::vector<double>> values(all.size());
    for (std::uint32_t fold = 0; fold < folds_; ++fold) {
      const auto result =
          await(process, mine, fold,
                process.submit({.name = fmt::format("{}, fold {}", candidate.model, fold + 1)},
                               internal::run_fold, candidate, data_, fold));
      found.take(data_, fold, result);
      warn(mine, result.warnings);
      row.cv_seconds += result.seconds;
      row.peak_rss_bytes = std::max(row.peak_rss_bytes, result.peak_rss_bytes);
      Json metrics;
      for (std::size_t i = 0; i < values.size(); ++i) {
        const models::Metric& metric = all[i];
        values[i].push_back(result.metrics.at(i));
        metrics[metric.name] = result.metrics[i];
        if (metric.name == metric_->name) row.fold_scores.push_back(result.metrics[i]);
      }
      const std::lock_guard lock(mutex_);
      event("fold_done", {{"model", candidate.model},
                          {"fold", fold + 1},
                          {"folds", folds_},
                          {"score", row.fold_scores.back()},
                          {"metrics", metrics},
                          {"seconds", result.seconds}});
    }
    for (std::size_t i = 0; i < values.size(); ++i)
      row.metrics.push_back({all[i].name, mean_of(values[i])});
    row.score = mean_of(row.fold_scores);
    row.score_std = deviation_of(row.fold_scores);
  }

  void save(const internal::Candidate& candidate, exec::ProcessExecutor& process, UnderWay& mine,
            CandidateResult& row) {
    const std::string file = fmt::format("models/{}.mutirao", candidate.model);
    const internal::Destination destination{
        .path = folder_.inside(file), .target = config_.target, .id = config_.id.value_or("")};
    const auto result =
        await(process, mine, folds_,
              process.submit({.name = candidate.model + ", final fit"}, internal::run_final_fit,
                             candidate, data_, destination));
    warn(mine, result.warnings);
    for (std::size_t i = 0; i < result.importances.size(); ++i)
      row.details.importances.emplace_back(result.important_features[i], result.importances[i]);
    row.fit_seconds = result.seconds;
    row.peak_rss_bytes = std::max(row.peak_rss_bytes, result.peak_rss_bytes);
    row.model_file = file;
  }

  /// Says of each warning of a candidate's fits once that it was given, and of no more than a few.
  void warn(UnderWay& mine, const std::vector<std::string>& warnings) {
    const std::lock_guard lock(mutex_);
    for (const std::string& text : warnings) {
      if (mine.said.size() < kMostWarnings && mine.said.insert(text).second)
        event("warning", {{"text", mine.progress.model + ": " + text}});
    }
  }

  /// The result of a task; what it reports meanwhile goes into `mine`.
  template <class R>
  R await(exec::ProcessExecutor& process, UnderWay& mine, std::size_t fold,
          exec::Future<R> future) {
    {
      const std::lock_guard lock(mutex_);
      mine.progress.fold = fold;
      mine.progress.done = mine.progress.total = 0;
    }
    bool done = false;
    while (!done) {
      done = future.wait_for(mine.progress.process == 0 ? kLookForStartEvery : kLookEvery);
      const exec::Progress progress = future.progress();
      const pid_t pid = future.worker_pid();
      const std::lock_guard lock(mutex_);
      mine.progress.done = progress.done;
      mine.progress.total = progress.total;
      if (pid != 0 && std::exchange(mine.progress.process, pid) == 0)
        event("candidate_started", {{"model", mine.progress.model}, {"pid", pid}});
      if (!done && stopping()) {
        process.shutdown(exec::Shutdown::kKill);
        throw Stopped();
      }
    }
    return future.get();
  }

  /// What a process that died was writing.
  void remove_unfinished(const std::string& model) {
    std::error_code error;
    for (const fs::directory_entry& entry :
         fs::directory_iterator(folder_.inside("models"), error)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(model + ".") && name.ends_with(core::kUnfinishedSuffix))
        fs::remove(entry.path(), error);
    }
  }

  void write_predictions() {
    if (found_.empty() || stopping()) return;
    data_process_
        .submit({.name = "writing oof.parquet"}, data::write_parquet, folder_.inside("oof.parquet"),
                internal::out_of_fold_table(data_, config_.target, config_.id, found_))
        .get();
  }

  RunResult finish() {
    if (failure_) std::rethrow_exception(failure_);
    const bool stopped = options_.stop.stop_requested();
    event("run_ended", {{"seconds", folder_.elapsed()},
                        {"stopped", stopped ? Json("interrupted") : Json(nullptr)}});
    return read_run(folder_.path());
  }

  const TrainConfig& config_;
  const TrainOptions& options_;
  const std::size_t folds_;
  RunFolder folder_;
  const CoreLimit core_limit_;
  exec::ProcessExecutor data_process_{{.workers = 1}};
  // Constant while drivers run.
  internal::PreparedData data_;
  const models::Metric* metric_ = nullptr;

  std::mutex mutex_;
  std::condition_variable driver_ended_;
  // Guarded by mutex_.
  std::vector<std::string> waiting_;  // candidates, the longest first
  std::list<UnderWay> under_way_;
  std::size_t driving_ = 0;
  std::exception_ptr failure_;                        // of the run, not of a candidate
  std::map<std::string, internal::OutOfFold> found_;  // by model
};

}  // namespace

RunResult train(const TrainConfig& config, const TrainOptions& options) {
  check(config);
  return Run(config, options).go();
}

}  // namespace mutirao::train
