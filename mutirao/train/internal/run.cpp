#include "mutirao/train/internal/run.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/core/clock.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/file.hpp"
#include "mutirao/core/memory_use.hpp"
#include "mutirao/core/process.hpp"
#include "mutirao/data/source.hpp"
#include "mutirao/exec/core_budget.hpp"
#include "mutirao/train/internal/ensemble.hpp"
#include "mutirao/train/internal/failure.hpp"
#include "mutirao/train/internal/fold_file.hpp"
#include "mutirao/train/internal/inner_splits.hpp"
#include "mutirao/train/internal/work.hpp"

namespace mutirao::train::internal {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::size_t kMostWarnings = 3;  // of one candidate
// How often progress is an event: when a further twentieth is done, and now and then.
constexpr std::uint64_t kProgressSteps = 20;
constexpr auto kProgressAtLeastEvery = 10s;
constexpr double kSoonShare = 0.97;        // of a time limit: fits are then asked to end
constexpr double kGraceShare = 0.04;       // of a time limit: what they have for it
constexpr double kShortestSeconds = 0.05;  // that a forest has at least
constexpr double kGrowingShare = 0.8;      // of its time; the rest is for what comes after
constexpr double kShareOfMemory = 0.9;     // of what is available, that fits may take

std::string ensemble_file() { return fmt::format("models/{}.mutirao", kEnsemble); }

/// Errors of the run, not of a candidate.
bool ends_the_run(const core::Error& error) {
  return error.code() == core::ErrorCode::kOutOfSpace || error.code() == core::ErrorCode::kIo;
}

}  // namespace

CoreLimit::CoreLimit(std::optional<std::size_t> cores)
    : before_(exec::CoreBudget::current().cores()) {
  if (cores) exec::CoreBudget::current().limit(std::min(*cores, exec::available_cores()));
}

CoreLimit::~CoreLimit() { exec::CoreBudget::current().limit(before_); }

Run::Run(RunFolder& folder, const TrainConfig& config, const TrainOptions& options, History history)
    : config_(config),
      options_(options),
      history_(std::move(history)),
      folds_(fold_count(config)),
      folder_(folder),
      core_limit_(config.cores),
      fit_processes_(fit_process_options(config)) {}

Run::~Run() { fit_processes_.shutdown(exec::Shutdown::kKill); }

RunResult Run::go() {
  Json start = {{"version", MUTIRAO_VERSION}, {"pid", ::getpid()}, {"host", core::host_name()}};
  if (!history_.started) start["config"] = to_json(config_);
  if (!history_.data_read.is_null()) start["metric"] = history_.data_read.at("metric");
  event(history_.started ? "run_resumed" : "run_started", start);
  read_data();
  check_same_data();
  folder_.keep();
  folder_.make_folder("models");
  folder_.make_folder("folds");
  describe_data();
  folder_.sync_soon();
  plan_candidates();
  scheduler_.emplace(*plan_, *this);
  scheduler_->run();
  const bool killed = stop() == Stop::kNow;
  fit_processes_.shutdown(killed ? exec::Shutdown::kKill : exec::Shutdown::kWait);
  if (!killed) give_up_the_rest();
  remove_unfinished();
  if (!killed) make_ensemble();
  if (stop() != Stop::kNow) write_predictions();
  return finish();
}

void Run::event(const std::string& name, const Json& fields) {
  const Json json = folder_.append(name, fields);
  if (options_.observer != nullptr) options_.observer->on_event(json);
}

void Run::plan_candidates() {
  const auto available = static_cast<double>(core::available_memory());
  plan_.emplace(PlanOptions{.cores = exec::CoreBudget::current().cores(),
                            .memory_bytes = static_cast<std::uint64_t>(kShareOfMemory * available),
                            .one_unit_per_candidate = config_.memory_limit.has_value(),
                            .shortest_first = config_.time_limit.has_value()});
  for (const CandidateName& name : candidates_of(config_, data_.task)) {
    const auto set = config_.set.find(name.label);
    candidates_.emplace_back(
        name.label,
        Candidate{.estimator = name.estimator,
                  .parameters = set == config_.set.end() ? models::ParameterMap{} : set->second,
                  .seed = config_.seed},
        data_.task, folds_);
    if (!config_.search || name.label == kBaseline) continue;
    models::SearchSpace space = space_of(config_, name, data_.task);
    if (space.empty()) {
      say("note", fmt::format("{} has nothing to search: it is trained as it is", name.label));
    } else {
      candidates_.back().search(std::move(space), static_cast<std::uint32_t>(*config_.search));
    }
  }
  for (std::size_t candidate = 0; candidate < candidates_.size(); ++candidate) {
    if (failed_before(candidates_[candidate])) continue;
    take_up(candidate);
    queue(candidate);
  }
}

/// How it failed stands: the same would happen again.
bool Run::failed_before(const CandidateRun& candidate) const {
  const auto ended = history_.ended.find(candidate.label());
  return ended != history_.ended.end() && ended->second != name_of(CandidateStatus::kOk);
}

/// Takes what was done of the candidate before.
void Run::take_up(std::size_t number) {
  CandidateRun& candidate = candidates_[number];
  if (history_.begun.contains(candidate.label())) started_.insert(candidate.label());
  const std::string begin = candidate.label() + ": ";
  for (const std::string& warning : history_.warnings) {
    if (warning.starts_with(begin)) said_[candidate.label()].insert(warning.substr(begin.size()));
  }
  const auto fits = history_.fits.find(candidate.label());
  if (fits == history_.fits.end()) return;
  for (const Json& fit : fits->second) {
    if (fit.at("event") == "draw_done") {
      candidate.take(fit);
      continue;
    }
    if (fit.at("event") == "model_saved") {
      std::error_code error;
      if (fs::exists(folder_.inside(candidate.model_file()), error)) candidate.take(fit);
      continue;
    }
    const std::uint32_t fold = fit.at("fold").get<std::uint32_t>() - 1;
    const auto found = read_fold(folder_.inside(fold_file(candidate.label(), fold)), data_, fold);
    if (!found) continue;
    candidate.take(fit);
    found_.try_emplace(candidate.label(), data_).first->second.take(data_, fold, *found);
  }
}

/// What is left to do of it.
std::vector<Unit> Run::units_of(std::size_t number) const {
  const CandidateRun& candidate = candidates_[number];
  std::vector<Unit> units;
  for (std::uint32_t fold = 0; fold <= folds_; ++fold) {
    if (candidate.has(fold)) continue;
    const double rows = rows_of_fit(data_, config_, fold);
    const auto unit_of = [&](const Candidate& fit) {
      const std::uint64_t memory = memory_of_fit(fit, data_, rows);
      return Unit{.candidate = number,
                  .fold = fold,
                  .work = work_of_fit(fit, data_, rows),
                  .memory_bytes = std::min(memory, config_.memory_limit.value_or(memory))};
    };
    for (std::uint32_t draw = 0; draw < candidate.draws(); ++draw) {
      if (candidate.has_draw(fold, draw)) continue;
      units.push_back(unit_of(candidate.fit_of_draw(draw)));
      units.back().draw = draw;
      units.back().work *= static_cast<double>(inner_split_count(static_cast<std::size_t>(rows)));
    }
    units.push_back(unit_of(candidate.fit()));
  }
  return units;
}

void Run::queue(std::size_t number) {
  const CandidateRun& candidate = candidates_[number];
  const std::vector<Unit> units = units_of(number);
  if (units.empty()) {
    if (!history_.ended.contains(candidate.label())) conclude(number);
    return;
  }
  double work = 0.0;
  std::uint64_t memory = 0;
  for (const Unit& unit : units) {
    work += unit.work;
    memory = std::max(memory, unit.memory_bytes);
  }
  event("candidate_queued", {{"model", candidate.label()},
                             {"estimator", candidate.fit().estimator},
                             {"fits", units.size()},
                             {"work", work},
                             {"memory_bytes", memory}});
  plan_->add(units);
}

Json Run::names_of(const Unit& unit) const {
  Json names = {{"model", candidates_[unit.candidate].label()},
                {"fold", unit.fold == folds_ ? Json(nullptr) : Json(unit.fold + 1)}};
  if (unit.draw) names["draw"] = *unit.draw;
  return names;
}

// Note [What a time limit leaves to each fit]
// A forest is worth something after every tree, so it gets its share of the time that is left: that
// of its work in all that is left to do, times as many fits as run at a time. If all of it fits
// into the time limit, no share is too short, as long as the estimates of work are right in
// proportion; if it does not, every forest is cut, and none is left out. It does not grow for all
// of its share: it is also tested or, the larger part, written. Other fits cannot be cut: they end,
// or time ends them.
FitLimit Run::limit_of(const Unit& unit) const {
  if (!config_.time_limit || !keeps_trees(candidates_[unit.candidate].fit(), data_.task)) return {};
  const double left = *config_.time_limit * kSoonShare - core::seconds_since(start_);
  const double share = unit.work / std::max(unit.work, plan_->work_left());
  const auto at_a_time = static_cast<double>(plan_->side_by_side(unit));
  return {.seconds =
              std::max(kShortestSeconds, kGrowingShare * left * std::min(1.0, at_a_time * share)),
          .keep_trees = true};
}

exec::TaskOptions Run::options_of(const std::string& name) const {
  exec::TaskOptions options{.name = name};
  options.resources.memory_bytes = config_.memory_limit.value_or(0);
  return options;
}

exec::Future<FitResult> Run::start(const Unit& unit) {
  const CandidateRun& candidate = candidates_[unit.candidate];
  const std::string& label = candidate.label();
  if (unit.draw) {
    const DrawTask task{.fold = unit.fold,
                        .folds = static_cast<std::uint32_t>(folds_),
                        .metric = metric_->name,
                        .splits = inner_split_options(config_)};
    return fit_processes_.submit(options_of(fmt::format("{}, draw {}", label, *unit.draw)),
                                 run_draw, candidate.fit_of_draw(*unit.draw), data_, task,
                                 limit_of(unit));
  }
  const Candidate fit = candidate.fit_of_fold(unit.fold, *metric_);
  if (candidate.draws() != 0 && !candidate.best_draw(unit.fold, *metric_)) {
    say("warning",
        fmt::format("{}: no draw could be scored for {}, which takes the defaults", label,
                    is_final_fit(unit) ? "its final fit" : fmt::format("fold {}", unit.fold + 1)));
  }
  if (!is_final_fit(unit)) {
    return fit_processes_.submit(options_of(fmt::format("{}, fold {}", label, unit.fold + 1)),
                                 run_fold, fit, data_, unit.fold,
                                 folder_.inside(fold_file(label, unit.fold)), limit_of(unit));
  }
  const Destination destination{.path = folder_.inside(candidate.model_file()),
                                .target = config_.target,
                                .id = config_.id.value_or("")};
  return fit_processes_.submit(options_of(label + ", final fit"), run_final_fit, fit, data_,
                               destination, limit_of(unit));
}

void Run::on_started(const Unit& unit, pid_t process) {
  const std::string& label = candidates_[unit.candidate].label();
  if (started_.insert(label).second)
    event("candidate_started", {{"model", label}, {"pid", process}});
  Json started = names_of(unit);
  started["folds"] = folds_;
  started["pid"] = process;
  event("fit_started", started);
}

void Run::on_progress(const Unit& unit, const UnitProgress& progress) {
  const auto now = std::chrono::steady_clock::now();
  Told& told = told_[{unit.candidate, unit.fold, unit.draw}];
  if (progress.cores != 0 && std::exchange(told.cores, progress.cores) != progress.cores) {
    Json held = names_of(unit);
    held["pid"] = progress.process;
    held["cores"] = progress.cores;
    event("cores_held", held);
  }
  if (progress.done == 0 || progress.total <= 1) return;
  const std::uint64_t twentieth = progress.done * kProgressSteps / progress.total;
  if (std::exchange(told.anything, true) && twentieth == told.twentieth &&
      now - told.at < kProgressAtLeastEvery)
    return;
  told.twentieth = twentieth;
  told.at = now;
  Json done = names_of(unit);
  done["pid"] = progress.process;
  done["done"] = progress.done;
  done["total"] = progress.total;
  event("progress", done);
}

void Run::take_draw(const Unit& unit, const FitResult& result, const std::string& error) {
  CandidateRun& candidate = candidates_[unit.candidate];
  const Json done = candidate.event_of_draw(unit.fold, *unit.draw, result, error);
  event("draw_done", done);
  candidate.take(done);
}

void Run::on_done(const Unit& unit, const FitResult& result) {
  if (unit.draw) {
    take_draw(unit, result, "");
    return;
  }
  CandidateRun& candidate = candidates_[unit.candidate];
  warn(candidate, result.warnings);
  if (result.trees_asked != 0) {
    out_of_time_ = true;
    warn(candidate,
         {fmt::format(
             "the time limit left it {} of {} trees in {}", result.trees_kept, result.trees_asked,
             is_final_fit(unit) ? "its final fit" : fmt::format("fold {}", unit.fold + 1))});
  }
  if (!is_final_fit(unit))
    found_.try_emplace(candidate.label(), data_).first->second.take(data_, unit.fold, result);
  const Json done = candidate.event_of(unit.fold, result, *metric_);
  event(done["event"].get<std::string>(), done);
  candidate.take(done);
}

void Run::on_failed(const Unit& unit, std::exception_ptr failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const core::Error& error) {
    if (ends_the_run(error)) throw;
    // It was asked to end, and did: its candidate is concluded with those that never began.
    if (error.code() == core::ErrorCode::kCancelled) return;
  } catch (...) {
    // Described below.
  }
  if (unit.draw) {
    // It costs the draw alone, whatever it was.
    CandidateResult failed;
    try {
      std::rethrow_exception(failure);
    } catch (...) {
      describe_failure(failed);
    }
    take_draw(unit, {}, failed.error.value_or("failed"));
    return;
  }
  candidates_[unit.candidate].fail(failure);
  scheduler_->give_up(unit.candidate);
}

void Run::on_ended(const Unit& unit) {
  const CandidateRun& candidate = candidates_[unit.candidate];
  if (!plan_->has(unit.candidate) && (candidate.complete() || candidate.failed()))
    conclude(unit.candidate);
}

void Run::conclude(std::size_t number) {
  const CandidateRun& candidate = candidates_[number];
  CandidateResult row = candidate.row(*metric_);
  if (row.status == CandidateStatus::kOk) {
    CandidateDetails details = details_of(data_, found_.at(candidate.label()));
    details.importances = std::move(row.details.importances);
    row.details = std::move(details);
  } else {
    found_.erase(candidate.label());
    // Of one that time ended, what is done serves when the run goes on.
    std::error_code error;
    if (row.status != CandidateStatus::kTimeout)
      fs::remove(folder_.inside(candidate.model_file()), error);
  }
  end_with(row);
}

/// Puts a row of the leaderboard on disk.
void Run::end_with(const CandidateResult& row) {
  Json ended = {{"candidate", to_json(row)}};
  if (const Json details = to_json(row.details); !details.empty()) ended["details"] = details;
  event("candidate_ended", ended);
  std::vector<std::string> folds;
  for (std::uint32_t fold = 0; fold < folds_; ++fold) folds.push_back(fold_file(row.model, fold));
  folds.emplace_back("folds");
  folder_.sync_soon(folds);
}

/// Concludes the candidates that the time limit has not let end.
void Run::give_up_the_rest() {
  for (std::size_t number = 0; number < candidates_.size(); ++number) {
    CandidateRun& candidate = candidates_[number];
    if (candidate.complete() || candidate.failed() || failed_before(candidate)) continue;
    out_of_time_ = true;
    candidate.run_out_of_time();
    conclude(number);
  }
}

void Run::warn(const CandidateRun& candidate, const std::vector<std::string>& warnings) {
  std::set<std::string>& said = said_[candidate.label()];
  for (const std::string& text : warnings) {
    if (said.size() < kMostWarnings && said.insert(text).second)
      event("warning", {{"text", candidate.label() + ": " + text}});
  }
}

/// The weighted mean of all candidates, where there are several; one that cannot be made is no
/// more than a warning.
void Run::make_ensemble() {
  if (!config_.ensemble || folds_ < 2 || stop() != Stop::kNot) return;
  EnsembleTask task{.metric = metric_->name,
                    .folds = static_cast<std::uint32_t>(folds_),
                    .path = folder_.inside(ensemble_file())};
  for (const CandidateRun& candidate : candidates_) {
    const auto found = found_.find(candidate.label());
    if (found == found_.end() || candidate.label() == kBaseline || !candidate.complete()) continue;
    task.labels.push_back(candidate.label());
    task.predictions.push_back(core::SharedArray<double>::copy_of(
        data_.classes.empty() ? found->second.predictions() : found->second.probabilities()));
    task.model_files.push_back(folder_.inside(candidate.model_file()));
  }
  if (task.labels.size() < 2) return;
  exec::TaskOptions options = options_of("the ensemble");
  if (config_.time_limit) {
    options.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::duration<double>(*config_.time_limit - core::seconds_since(start_)));
  }
  try {
    exec::Future<EnsembleResult> future =
        data_process_.submit(options, internal::make_ensemble, task, data_);
    while (!future.wait_for(kLookEvery)) {
      on_look();
      if (stop() != Stop::kNow) continue;
      data_process_.shutdown(exec::Shutdown::kKill);
      return;
    }
    take_ensemble(task, future.get());
  } catch (const core::Error& error) {
    if (ends_the_run(error)) throw;
    say("warning", fmt::format("there is no ensemble: {}", error.what()));
  }
}

void Run::take_ensemble(const EnsembleTask& task, const EnsembleResult& result) {
  CandidateResult row;
  row.model = row.estimator = kEnsemble;
  for (std::size_t i = 0; i < task.labels.size(); ++i) {
    if (result.weights[i] != 0.0) row.params[task.labels[i]] = models::text_of(result.weights[i]);
  }
  set_scores(row, result.metrics, data_.task, *metric_);
  row.cv_seconds = result.cv_seconds;
  row.fit_seconds = result.fit_seconds;
  row.peak_rss_bytes = result.peak_rss_bytes;
  row.model_file = ensemble_file();
  const OutOfFold found(result.predictions.span(), result.probabilities.span());
  row.details = details_of(data_, found);
  found_.insert_or_assign(kEnsemble, found);
  end_with(row);
}

/// What processes that died were writing.
void Run::remove_unfinished() {
  std::error_code error;
  for (const char* folder : {"", "models", "folds"}) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_.inside(folder), error)) {
      if (entry.path().filename().string().ends_with(core::kUnfinishedSuffix))
        fs::remove(entry.path(), error);
    }
  }
}

void Run::on_look() {
  if (options_.observer != nullptr) options_.observer->on_tick();
}

bool Run::time_is_up() const {
  return config_.time_limit && core::seconds_since(start_) >= *config_.time_limit * kSoonShare;
}

UnitListener::Stop Run::stop() {
  if (options_.stop.stop_requested()) return Stop::kNow;
  return time_is_up() ? Stop::kSoon : Stop::kNot;
}

void Run::write_predictions() {
  if (found_.empty()) return;
  data_process_
      .submit({.name = "writing oof.parquet"}, data::write_parquet, folder_.inside("oof.parquet"),
              out_of_fold_table(data_, config_.target, config_.id, found_),
              exec::CoreBudget::current().cores())
      .get();
}

RunResult Run::finish() {
  Json stopped;
  if (out_of_time_) stopped = "time_limit";
  if (options_.stop.stop_requested()) stopped = "interrupted";
  event("run_ended", {{"seconds", folder_.elapsed()}, {"stopped", stopped}});
  folder_.sync();
  if (stopped.is_null()) {
    // All that it held is in oof.parquet.
    std::error_code error;
    fs::remove_all(folder_.inside("folds"), error);
  }
  return read_run(folder_.path());
}

}  // namespace mutirao::train::internal
