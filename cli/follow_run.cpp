#include "cli/follow_run.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <stop_token>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/progress_display.hpp"
#include "mutirao/core/error.hpp"
#include "mutirao/core/terminal.hpp"
#include "mutirao/report/html_report.hpp"
#include "mutirao/report/leaderboard.hpp"
#include "mutirao/train/candidates.hpp"
#include "mutirao/train/run_folder.hpp"

namespace mutirao::cli {
namespace {

std::atomic<int> interrupts{0};
static_assert(std::atomic<int>::is_always_lock_free);

/// The first asks the run to stop; the second ends the program, and with it every worker.
void on_interrupt(int) {
  if (interrupts.fetch_add(1) > 0) std::_Exit(kInterrupted);
}

int exit_code_of(const train::RunResult& result) {
  if (result.stopped == "interrupted") return kInterrupted;
  std::size_t candidates = 0;
  std::size_t ok = 0;
  for (const train::CandidateResult& row : result.leaderboard) {
    // What a time limit has left out has not failed.
    if (row.baseline || row.model == train::kEnsemble ||
        row.status == train::CandidateStatus::kTimeout)
      continue;
    ++candidates;
    ok += row.status == train::CandidateStatus::kOk ? 1 : 0;
  }
  if (ok == 0) return kFailure;
  return ok == candidates ? kSuccess : kSomeFailed;
}

ProgressDisplay::Mode mode_of(const FollowOptions& options) {
  if (options.quiet) return ProgressDisplay::Mode::kQuiet;
  return core::is_terminal(2) ? ProgressDisplay::Mode::kLive : ProgressDisplay::Mode::kPlain;
}

/// Shows a run, and passes its events on.
class Follower final : public train::RunObserver {
 public:
  Follower(const FollowOptions& options, std::stop_source& stop)
      : options_(options), stop_(stop), display_(mode_of(options)) {}

  void on_event(const train::Json& event) override {
    display_.on_event(event);
    if (!options_.events || unheard_) return;
    try {
      print_result(train::one_line(event) + "\n");
    } catch (const core::IoError&) {
      // Nobody can be told: the run ends, and what was done is kept.
      unheard_ = true;
      stop_.request_stop();
    }
  }
  void on_tick() override {
    if (interrupts.load() > 0) stop_.request_stop();
    display_.on_tick();
  }
  bool data_was_read() const noexcept { return display_.data_was_read(); }

 private:
  const FollowOptions& options_;
  std::stop_source& stop_;
  ProgressDisplay display_;
  bool unheard_ = false;
};

std::string how_it_ended(const train::RunResult& result) {
  if (!result.stopped) return "the run is in";
  return *result.stopped == "time_limit" ? "the time limit ended the run; what was done is in"
                                         : "interrupted; what was done is in";
}

void say_what_next(const train::RunResult& result) {
  print_note(fmt::format("{} {} ({})", how_it_ended(result), result.run,
                         report::duration_text(result.seconds)));
  if (result.stopped) print_note(fmt::format("go on with: mutirao resume {}", result.run));
  if (train::best_of(result) != nullptr)
    print_note(fmt::format("predict with: mutirao predict {} NEW_DATA", result.run));
}

}  // namespace

int follow_run(const FollowOptions& options,
               const std::function<train::RunResult(const train::TrainOptions&)>& run) {
  std::stop_source stop;
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  train::RunResult result;
  {
    Follower follower(options, stop);
    try {
      result = run({.out = options.run, .observer = &follower, .stop = stop.get_token()});
    } catch (...) {
      if (follower.data_was_read() && train::is_run_folder(options.run)) {
        print_note(fmt::format("what was done is in {}; go on with: mutirao resume {}", options.run,
                               options.run));
      }
      throw;
    }
  }
  report::write_html_report(result);
  const train::Json json = options.json ? train::to_json(result) : train::Json();
  if (options.events) {
    if (options.json) print_result(train::one_line(json) + "\n");
  } else if (options.json) {
    print_result(json.dump(2) + "\n");
  } else if (!result.leaderboard.empty()) {
    print_result(report::leaderboard_table(result));
  }
  if (!options.quiet) say_what_next(result);
  return exit_code_of(result);
}

}  // namespace mutirao::cli
