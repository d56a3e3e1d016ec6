#include "cli/progress_display.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <unistd.h>

#include <fmt/format.h>

#include "mutirao/core/terminal.hpp"
#include "mutirao/report/leaderboard.hpp"

namespace mutirao::cli {
namespace {

std::string score_text(const train::Json& score) {
  return report::number_text(score.is_null() ? std::nan("") : score.get<double>());
}

/// The plain line of an event; empty when it says nothing to people.
std::string plain_line(const train::Json& event, const std::string& metric, bool live) {
  const auto name = event.at("event").get<std::string>();
  if (name == "data_read") {
    std::size_t used = 0;
    for (const train::Json& column : event.at("columns")) used += column.at("used") ? 1 : 0;
    const auto cores = event.at("cores").get<std::size_t>();
    return fmt::format("{} rows, {} columns to learn from, {} core{} ({:.2f} s)",
                       event.at("rows").get<std::uint64_t>(), used, cores, cores == 1 ? "" : "s",
                       event.at("elapsed").get<double>());
  }
  if (name == "note") return event.at("text").get<std::string>();
  if (name == "warning") return "warning: " + event.at("text").get<std::string>();
  if (name == "candidate_started" && !live) {
    return fmt::format("{} begins in process {}", event.at("model").get<std::string>(),
                       event.at("pid").get<pid_t>());
  }
  if (name == "fold_done" && !live) {
    return fmt::format("{}: fold {} of {}, {} {} ({})", event.at("model").get<std::string>(),
                       event.at("fold").get<std::size_t>(), event.at("folds").get<std::size_t>(),
                       metric, score_text(event.at("score")),
                       report::duration_text(event.at("seconds").get<double>()));
  }
  if (name == "candidate_ended") {
    const train::Json& row = event.at("candidate");
    if (row.at("status") != "ok") {
      return fmt::format("{} {}: {}", row.at("model").get<std::string>(),
                         row.at("status").get<std::string>(), row.at("error").get<std::string>());
    }
    return fmt::format("{} done: {} {}, folds {}, final fit {}", row.at("model").get<std::string>(),
                       metric, score_text(row.at("score")),
                       report::duration_text(row.at("cv_seconds").get<double>()),
                       report::duration_text(row.at("fit_seconds").get<double>()));
  }
  return {};
}

}  // namespace

std::string live_line(const LiveFit& fit, double seconds, std::size_t width) {
  const std::string stage =
      fit.fold.is_null() ? "final fit" : fmt::format("fold {}/{}", fit.fold.dump(), fit.folds);
  std::string units;
  if (!fit.draw.is_null()) {
    units = fmt::format("draw {}", fit.draw.dump());
  } else if (fit.total > 1) {
    units = fmt::format("trees {}/{}", fit.done, fit.total);
  }
  const std::string line =
      fmt::format("  {:<18} {:<11} {:<16} {:>3} core{} {:>9}", fit.model, stage, units, fit.cores,
                  fit.cores == 1 ? " " : "s", report::duration_text(seconds));
  return line.substr(0, width);
}

ProgressDisplay::~ProgressDisplay() { erase_live_lines(); }

void ProgressDisplay::on_event(const train::Json& event) {
  if (event.at("event") == "data_read") {
    metric_ = event.at("metric");
    data_was_read_ = true;
  } else if (event.at("event") == "run_resumed" && event.contains("metric")) {
    metric_ = event["metric"];
  }
  if (mode_ == Mode::kQuiet) return;
  follow(event);
  const std::string line = plain_line(event, metric_, mode_ == Mode::kLive);
  if (!line.empty()) say(line);
}

/// Keeps the list of what is under way.
void ProgressDisplay::follow(const train::Json& event) {
  const auto name = event.at("event").get<std::string>();
  if (name == "candidate_ended") {
    const train::Json& model = event.at("candidate").at("model");
    running_.remove_if([&](const LiveFit& fit) { return fit.model == model; });
    return;
  }
  if (!event.contains("model")) return;
  const auto model = event.at("model").get<std::string>();
  const train::Json fold = event.value("fold", train::Json());
  const train::Json draw = event.value("draw", train::Json());
  const auto found = std::find_if(running_.begin(), running_.end(), [&](const LiveFit& fit) {
    return fit.model == model && fit.fold == fold && fit.draw == draw;
  });
  if (name == "fit_started") {
    running_.push_back({.model = model, .fold = fold, .draw = draw, .folds = event.at("folds")});
  } else if (found == running_.end()) {
    return;
  } else if (name == "progress") {
    found->done = event.at("done");
    found->total = event.at("total");
  } else if (name == "cores_held") {
    found->cores = event.at("cores");
  } else if (name == "fold_done" || name == "model_saved" || name == "draw_done") {
    running_.erase(found);
  }
}

void ProgressDisplay::on_tick() {
  if (mode_ != Mode::kLive) return;
  const std::size_t width = core::terminal_width(STDERR_FILENO) - 1;
  erase_live_lines();
  std::string frame;
  const auto now = std::chrono::steady_clock::now();
  for (const LiveFit& fit : running_) {
    const double seconds = std::chrono::duration<double>(now - fit.start).count();
    frame += live_line(fit, seconds, width) + "\n";
  }
  live_lines_ = running_.size();
  std::fputs(frame.c_str(), stderr);
}

void ProgressDisplay::say(const std::string& line) {
  erase_live_lines();
  fmt::print(stderr, "mutirao: {}\n", line);
}

void ProgressDisplay::erase_live_lines() {
  // Up by so many lines, then clear to the end of the screen.
  if (live_lines_ != 0) fmt::print(stderr, "\x1b[{}A\x1b[J", live_lines_);
  live_lines_ = 0;
}

}  // namespace mutirao::cli
