#pragma once

// One run, from the data to the leaderboard.
//
//   the thread that called train() --- ProcessExecutor: a process that reads the data
//                                  \-- ProcessExecutor: a fresh process for every fit
//
// All of the run's own work is done by that one thread: it hands out units of the plan, writes what
// comes back into the run folder, and looks at the rest ten times a second. Cores flow between the
// processes through the core budget.

#include <chrono>
#include <cstddef>
#include <exception>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "mutirao/exec/process_executor.hpp"
#include "mutirao/train/internal/candidate_run.hpp"
#include "mutirao/train/internal/ensemble.hpp"
#include "mutirao/train/internal/history.hpp"
#include "mutirao/train/internal/out_of_fold.hpp"
#include "mutirao/train/internal/plan.hpp"
#include "mutirao/train/internal/prepared_data.hpp"
#include "mutirao/train/internal/scheduler.hpp"
#include "mutirao/train/run_folder.hpp"
#include "mutirao/train/train.hpp"

namespace mutirao::train::internal {

/// Holds the program to so many cores, until the run that asked for it is over.
class CoreLimit {
 public:
  explicit CoreLimit(std::optional<std::size_t> cores);
  ~CoreLimit();
  CoreLimit(const CoreLimit&) = delete;
  CoreLimit& operator=(const CoreLimit&) = delete;

 private:
  const std::size_t before_;
};

class Run final : public UnitListener {
 public:
  /// `history`: what was done before, in a folder that was there; of a new run nothing.
  Run(RunFolder& folder, const TrainConfig& config, const TrainOptions& options, History history);
  ~Run() override;

  RunResult go();

 private:
  exec::Future<FitResult> start(const Unit& unit) override;
  void on_started(const Unit& unit, pid_t process) override;
  void on_progress(const Unit& unit, const UnitProgress& progress) override;
  void on_done(const Unit& unit, const FitResult& result) override;
  void on_failed(const Unit& unit, std::exception_ptr failure) override;
  void on_ended(const Unit& unit) override;
  void on_look() override;
  Stop stop() override;

  void event(const std::string& name, const Json& fields);
  void read_data();
  std::string data_path() const;
  void check_data_is_there() const;
  void check_same_data() const;
  void describe_data();
  void say(const std::string& event, const std::string& text);
  void plan_candidates();
  void queue(std::size_t candidate);
  void take_up(std::size_t candidate);
  std::vector<Unit> units_of(std::size_t candidate) const;
  FitLimit limit_of(const Unit& unit) const;
  exec::TaskOptions options_of(const std::string& name) const;
  void take_draw(const Unit& unit, const FitResult& result, const std::string& error);
  void make_ensemble();
  void take_ensemble(const EnsembleTask& task, const EnsembleResult& result);
  void conclude(std::size_t candidate);
  void end_with(const CandidateResult& row);
  void give_up_the_rest();
  void warn(const CandidateRun& candidate, const std::vector<std::string>& warnings);
  void remove_unfinished();
  void write_predictions();
  RunResult finish();
  bool time_is_up() const;
  bool failed_before(const CandidateRun& candidate) const;
  Json names_of(const Unit& unit) const;
  bool is_final_fit(const Unit& unit) const { return unit.fold == folds_ && !unit.draw; }

  const TrainConfig& config_;
  const TrainOptions& options_;
  const History history_;
  const std::size_t folds_;
  RunFolder& folder_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  const CoreLimit core_limit_;
  exec::ProcessExecutor data_process_{{.workers = 1}};
  exec::ProcessExecutor fit_processes_;
  PreparedData data_;
  const models::Metric* metric_ = nullptr;
  std::vector<CandidateRun> candidates_;
  std::map<std::string, OutOfFold> found_;             // by label
  std::map<std::string, std::set<std::string>> said_;  // warnings, by label
  std::set<std::string> started_;                      // labels
  bool out_of_time_ = false;                           // something was cut short, or left out
  /// What was last said of a fit under way.
  struct Told {
    std::size_t cores = 0;
    bool anything = false;
    std::uint64_t twentieth = 0;
    std::chrono::steady_clock::time_point at;
  };
  // Progress, by candidate, fold and draw.
  std::map<std::tuple<std::size_t, std::uint32_t, std::optional<std::uint32_t>>, Told> told_;
  std::optional<Plan> plan_;
  std::optional<Scheduler> scheduler_;
};

}  // namespace mutirao::train::internal
