// The fits of a run of many models in the same plan and the same processes, and nothing written of
// it but the models: what `bench/plan --overhead` holds the run folder and its events against.
//
//     plan_bench CONFIG FOLDER

#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "mutirao/exec/core_budget.hpp"
#include "mutirao/exec/process_executor.hpp"
#include "mutirao/exec/runtime.hpp"
#include "mutirao/train/candidates.hpp"
#include "mutirao/train/internal/plan.hpp"
#include "mutirao/train/internal/scheduler.hpp"
#include "mutirao/train/internal/work.hpp"

namespace {

using namespace mutirao;
using namespace mutirao::train;
using namespace mutirao::train::internal;

class BareRun final : public UnitListener {
 public:
  BareRun(TrainConfig config, std::string folder)
      : config_(std::move(config)),
        folder_(std::move(folder)),
        folds_(fold_count(config_)),
        processes_(fit_process_options(config_)) {}

  void go() {
    data_ = data_process_.submit(prepare, config_).get();
    Plan plan({.cores = exec::CoreBudget::current().cores()});
    for (const CandidateName& name : candidates_of(config_, data_.task)) {
      const auto set = config_.set.find(name.label);
      names_.push_back(name.label);
      candidates_.push_back(
          {.estimator = name.estimator,
           .parameters = set == config_.set.end() ? models::ParameterMap{} : set->second,
           .seed = config_.seed});
      std::vector<Unit> units;
      for (std::uint32_t fold = 0; fold <= folds_; ++fold) {
        const double rows = rows_of_fit(data_, config_, fold);
        units.push_back({.candidate = candidates_.size() - 1,
                         .fold = fold,
                         .work = work_of_fit(candidates_.back(), data_, rows)});
      }
      plan.add(units);
    }
    Scheduler(plan, *this).run();
    for (const auto& [candidate, sum] : sums_)
      fmt::print("{} {}\n", names_[candidate], sum / static_cast<double>(folds_));
  }

 private:
  exec::Future<FitResult> start(const Unit& unit) override {
    const Candidate& fit = candidates_[unit.candidate];
    if (unit.fold < folds_)
      return processes_.submit(run_fold, fit, data_, unit.fold, std::string(), FitLimit{});
    const Destination destination{
        .path = fmt::format("{}/{}.mutirao", folder_, names_[unit.candidate]),
        .target = config_.target,
        .id = ""};
    return processes_.submit(run_final_fit, fit, data_, destination, FitLimit{});
  }
  void on_started(const Unit&, pid_t) override {}
  void on_progress(const Unit&, const UnitProgress&) override {}
  void on_done(const Unit& unit, const FitResult& result) override {
    if (unit.fold < folds_) sums_[unit.candidate] += result.metrics.front();
  }
  void on_failed(const Unit&, std::exception_ptr failure) override {
    std::rethrow_exception(failure);
  }
  void on_ended(const Unit&) override {}
  void on_look() override {}
  Stop stop() override { return Stop::kNot; }

  const TrainConfig config_;
  const std::string folder_;
  const std::size_t folds_;
  exec::ProcessExecutor data_process_{{.workers = 1}};
  exec::ProcessExecutor processes_;
  PreparedData data_;
  std::vector<Candidate> candidates_;
  std::vector<std::string> names_;
  std::map<std::size_t, double> sums_;
};

}  // namespace

int main(int argc, char** argv) {
  const exec::Runtime runtime(argc, argv);
  if (argc != 3) {
    fmt::print(stderr, "usage: plan_bench CONFIG FOLDER\n");
    return 2;
  }
  BareRun(read_config(argv[1]), argv[2]).go();
  return 0;
}
